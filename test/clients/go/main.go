// A handler that does what the event's `act` says; CLIENT_INIT chooses how the process begins.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Act    string
	Value  json.RawMessage
	Pad    string
	Count  int
	Status int
}

type customError struct{ text string }

func (e *customError) Error() string { return e.text }

func main() {
	// The default, 1 GB, is more than a test should take.
	debug.SetMaxStack(16 << 20)
	slog.SetDefault(slog.New(lambdacontext.NewLogHandler()))
	switch os.Getenv("CLIENT_INIT") {
	case "throw":
		panic("no good start")
	case "exit":
		os.Exit(3)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (any, error) {
	switch e.Act {
	case "echo":
		return e.Value, nil
	case "measure":
		return len(e.Pad), nil
	case "repeat":
		return strings.Repeat("x", e.Count), nil
	case "nothing":
		return nil, nil
	case "pid":
		return os.Getpid(), nil
	case "context":
		return describe(ctx), nil
	case "throw":
		return nil, errors.New("no good")
	case "throw custom":
		return nil, &customError{"no good"}
	case "panic":
		panic("no good")
	case "exit":
		os.Exit(e.Status)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	case "sleep":
		time.Sleep(time.Minute)
	case "recurse":
		return recurse(0), nil
	case "log":
		slog.DebugContext(ctx, "too quiet")
		slog.InfoContext(ctx, "one line\nand a second one")
		slog.ErrorContext(ctx, "told")
		return "logged", nil
	case "parts":
		return parts("one ", "two ", "three"), nil
	case "repeat in parts":
		// Alone it would go as JSON, since it has members that do.
		return io.MultiReader(io.LimitReader(letters{}, int64(e.Count))), nil
	case "prelude":
		return &events.APIGatewayProxyStreamingResponse{
			StatusCode: 201,
			Headers:    map[string]string{"x-kind": "prelude"},
			Cookies:    []string{"a=b"},
			Body:       strings.NewReader("created"),
		}, nil
	case "throw within":
		return io.MultiReader(strings.NewReader("one "), broken{}), nil
	case "exit within":
		return io.MultiReader(strings.NewReader("one "), leaving{}), nil
	case "sleep within":
		return io.MultiReader(strings.NewReader("one "), sleeping{}), nil
	}
	return nil, fmt.Errorf("no act %q", e.Act)
}

func describe(ctx context.Context) map[string]any {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	trace, _ := ctx.Value("x-amzn-trace-id").(string)
	described := map[string]any{
		"requestId":       lc.AwsRequestID,
		"remainingMs":     time.Until(deadline).Milliseconds(),
		"functionArn":     lc.InvokedFunctionArn,
		"functionName":    lambdacontext.FunctionName,
		"functionVersion": lambdacontext.FunctionVersion,
		"memoryMB":        lambdacontext.MemoryLimitInMB,
		"logGroup":        lambdacontext.LogGroupName,
		"logStream":       lambdacontext.LogStreamName,
		"client":          nil,
		"trace":           nil,
	}
	if who, ok := lc.ClientContext.Custom["who"]; ok {
		described["client"] = who
	}
	if trace != "" {
		described["trace"] = trace
	}
	return described
}

func recurse(depth int) int { return recurse(depth+1) + 1 }

// parts is a stream that gives one part a read.
func parts(texts ...string) io.Reader {
	readers := make([]io.Reader, len(texts))
	for i, text := range texts {
		readers[i] = strings.NewReader(text)
	}
	return io.MultiReader(readers...)
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, &customError{"no good"} }

// leaving gives the reader of what was sent before the time to take it.
type leaving struct{}

func (leaving) Read([]byte) (int, error) {
	time.Sleep(time.Second)
	os.Exit(3)
	return 0, io.EOF
}

type sleeping struct{}

func (sleeping) Read([]byte) (int, error) {
	time.Sleep(time.Minute)
	return 0, io.EOF
}

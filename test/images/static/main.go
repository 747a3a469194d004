// A function that is an image by itself: one static program, its own client of the Runtime API.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		if err := serve(api); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// serve answers one event with what the process sees of its place.
func serve(api string) error {
	next, err := http.Get(api + "next")
	if err != nil {
		return err
	}
	event, err := io.ReadAll(next.Body)
	next.Body.Close()
	if err != nil {
		return err
	}
	answer, err := json.Marshal(map[string]any{
		"event":        json.RawMessage(event),
		"args":         os.Args,
		"directory":    directory(),
		"uid":          os.Getuid(),
		"architecture": runtime.GOARCH,
		"variables":    os.Environ(),
		"canWriteRoot": os.WriteFile("/written", nil, 0o600) == nil,
		"canWriteTmp":  os.WriteFile("/tmp/written", nil, 0o600) == nil,
		"entries":      entries("/"),
	})
	if err != nil {
		return err
	}
	id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
	done, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(answer))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, done.Body)
	done.Body.Close()
	return err
}

func directory() string {
	path, err := os.Getwd()
	if err != nil {
		return err.Error()
	}
	return path
}

func entries(path string) []string {
	names := []string{}
	found, _ := os.ReadDir(path)
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

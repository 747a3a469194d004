// Command otlp takes spans by OTLP over HTTP, reads them with the generated code of the protocol's own repository, and writes each
// request to standard output as one line of JSON. Its first line is the address that it listens on.
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const longestBody = 16 << 20

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	// Whoever started this has gone.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var output sync.Mutex
	http.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		line, err := read(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		output.Lock()
		fmt.Println(line)
		output.Unlock()
		// An empty ExportTraceServiceResponse: everything was taken.
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	log.Fatal(http.Serve(listener, nil))
}

func read(r *http.Request) (string, error) {
	if contentType := r.Header.Get("Content-Type"); contentType != "application/x-protobuf" {
		return "", fmt.Errorf("cannot read %q: right is application/x-protobuf", contentType)
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return "", err
		}
		body = unzipped
	}
	bytes, err := io.ReadAll(io.LimitReader(body, longestBody))
	if err != nil {
		return "", err
	}
	// On the wire the same as ExportTraceServiceRequest, whose package would bring gRPC.
	var traces tracev1.TracesData
	if err := proto.Unmarshal(bytes, &traces); err != nil {
		return "", err
	}
	text, err := protojson.Marshal(&traces)
	return string(text), err
}

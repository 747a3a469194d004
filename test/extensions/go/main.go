// An external extension as AWS's Go samples are written: no client library, the file's name as its own. Prints every event as one line.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const identifierHeader = "Lambda-Extension-Identifier"

func main() {
	name := filepath.Base(os.Args[0])
	if err := run(name, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2020-01-01/extension"); err != nil {
		fmt.Printf("%s failed: %v\n", name, err)
		os.Exit(1)
	}
}

func run(name, api string) error {
	identifier, err := register(name, api)
	if err != nil {
		return err
	}
	for {
		event, err := next(api, identifier)
		if err != nil {
			return err
		}
		fmt.Printf("%s event %s\n", name, event)
		if strings.Contains(event, `"eventType":"SHUTDOWN"`) {
			return nil
		}
	}
}

func register(name, api string) (string, error) {
	request, err := http.NewRequest("POST", api+"/register", bytes.NewBufferString(`{"events":["INVOKE","SHUTDOWN"]}`))
	if err != nil {
		return "", err
	}
	request.Header.Set("Lambda-Extension-Name", name)
	request.Header.Set("Lambda-Extension-Accept-Feature", "accountId")
	response, body, err := do(request)
	if err != nil {
		return "", err
	}
	fmt.Printf("%s registered %s\n", name, body)
	return response.Header.Get(identifierHeader), nil
}

func next(api, identifier string) (string, error) {
	request, err := http.NewRequest("GET", api+"/event/next", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(identifierHeader, identifier)
	_, body, err := do(request)
	return body, err
}

func do(request *http.Request) (*http.Response, string, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d: %s", request.Method, request.URL.Path, response.StatusCode, body)
	}
	return response, string(body), err
}

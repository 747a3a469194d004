// The kstatus program reads Kubernetes objects, one JSON document a line, and answers each with what Flux and `kustomize`
// take its status for, one JSON document a line: {"status":"Current","message":"…"}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An object has 1.5 MB at most in etcd.
const longestLine = 4 << 20

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := answerAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answerAll() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return fmt.Errorf("cannot read an object: %w", err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("cannot compute the status of %s %q: %w", object.GetKind(), object.GetName(), err)
		}
		if err := answers.Encode(answer{Status: result.Status.String(), Message: result.Message}); err != nil {
			return err
		}
	}
	return lines.Err()
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

type runner struct {
	makoto, root, work string
}

func ok(format string, args ...any) {
	fmt.Printf("ok go: "+format+"\n", args...)
}

// differ reports what two programs disagree on.
func differ(what, theirs, ours string) error {
	return fmt.Errorf("%s\n  theirs: %s\n  ours:   %s", what, theirs, ours)
}

// folder makes an empty scratch folder.
func (r *runner) folder(name string) (string, error) {
	path := filepath.Join(r.work, "go", name)
	return path, os.MkdirAll(path, 0o755)
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// call runs makoto. A failure holds what it said.
func (r *runner) call(stdin []byte, args ...string) error {
	command := exec.Command(r.makoto, args...)
	command.Stdin = bytes.NewReader(stdin)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("makoto %q: %w\n%s", args, err, out)
	}
	return nil
}

// subject is what this program needs of a statement.
type subject struct {
	Digest      map[string]string `json:"digest"`
	Annotations struct {
		Records struct {
			HeaderDigest map[string]string `json:"headerDigest"`
		} `json:"https://makoto.dev/records/v1"`
	} `json:"annotations"`
}

// attest attests data and returns the subject of the statement.
func (r *runner) attest(data string, extra ...string) (*subject, error) {
	args := []string{"attest", "origin", data, "--source", "urn:example:interop",
		"--collector", "interop", "--replace"}
	if err := r.call(nil, append(args, extra...)...); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(data + ".attestation")
	if err != nil {
		return nil, err
	}
	var statement struct {
		Subject []subject `json:"subject"`
	}
	if err := json.Unmarshal(text, &statement); err != nil {
		return nil, err
	}
	if len(statement.Subject) != 1 {
		return nil, fmt.Errorf("%s: %d subjects", data, len(statement.Subject))
	}
	return &statement.Subject[0], nil
}

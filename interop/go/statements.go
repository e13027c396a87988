package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// strict refuses what the protobuf schema of in-toto does not know.
var strict = protojson.UnmarshalOptions{DiscardUnknown: false}

// statements finds every statement that makoto wrote below the scratch folder, one per line.
func (r *runner) statements() (map[string][]byte, error) {
	found := map[string][]byte{}
	err := filepath.WalkDir(r.work, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".attestation") {
			return err
		}
		text, err := os.ReadFile(path)
		for line, statement := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
			found[fmt.Sprintf("%s line %d", path, line+1)] = statement
		}
		return err
	})
	return found, err
}

func read(text []byte) (*intoto.Statement, error) {
	statement := &intoto.Statement{}
	if err := strict.Unmarshal(text, statement); err != nil {
		return nil, err
	}
	return statement, statement.Validate()
}

func (r *runner) checkStatementsRead() error {
	statements, err := r.statements()
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for path, text := range statements {
		statement, err := read(text)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", path, err, text)
		}
		kinds[statement.GetPredicateType()]++
		for _, subject := range statement.GetSubject() {
			if len(subject.GetDigest()["sha256"]) != 64 {
				return fmt.Errorf("%s: subject without sha256 for them", path)
			}
		}
	}
	for _, kind := range []string{"origin", "transform"} {
		count := kinds["https://makoto.dev/"+kind+"/v1"]
		if count == 0 {
			return fmt.Errorf("no %s statement below %s", kind, r.work)
		}
		ok("in-toto/attestation: %d %s statements parsed strictly, Validate()", count, kind)
	}
	return nil
}

// checkStatementNeighbours makes sure that the strict reading above would notice.
func (r *runner) checkStatementNeighbours() error {
	path := filepath.Join(r.work, "go", "jsonl", "3.jsonl.attestation")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	hash := func(digest string) string {
		at := strings.Index(string(text), `"`+digest+`":"`) + len(digest) + 4
		return string(text[at : at+64])
	}
	neighbours := map[string][2]string{
		"field at statement level": {`{"_type"`, `{"x":1,"_type"`},
		"field in the subject":     {`"name":`, `"x":1,"name":`},
		"digest that is no hex":    {hash("sha256"), strings.Repeat("g", 64)},
		"digest that is short":     {hash("sha256"), hash("sha256")[2:]},
		"digest that is a number":  {`"recordCount":"3"`, `"recordCount":3`},
		"other statement type":     {"Statement/v1", "Statement/v2"},
	}
	for what, change := range neighbours {
		changed := strings.ReplaceAll(string(text), change[0], change[1])
		if changed == string(text) {
			return fmt.Errorf("neighbour %q changes nothing", what)
		}
		if _, err := read([]byte(changed)); err == nil {
			return fmt.Errorf("in-toto/attestation accepts a %s", what)
		}
	}
	ok("in-toto/attestation refuses %d near neighbours of ours", len(neighbours))
	return nil
}

// checkStatementsWritten writes every statement as protobuf JSON, in their key order and
// spacing: makoto accepts it, and the data still verifies against it.
func (r *runner) checkStatementsWritten() error {
	statements, err := r.statements()
	if err != nil {
		return err
	}
	for path, text := range statements {
		statement, err := read(text)
		if err != nil {
			return err
		}
		for _, options := range []protojson.MarshalOptions{{}, {Multiline: true}} {
			theirs, err := options.Marshal(statement)
			if err != nil {
				return err
			}
			if !json.Valid(theirs) {
				return fmt.Errorf("%s: protojson wrote bad JSON", path)
			}
			if err := r.call(theirs, "validate", "-"); err != nil {
				return fmt.Errorf("%s: %w\n%s", path, err, theirs)
			}
		}
	}
	ok("makoto validate - accepts %d statements written by protojson, compact and multi-line", len(statements))

	data := filepath.Join(r.work, "go", "csv", "quoted.csv")
	text, err := os.ReadFile(data + ".attestation")
	if err != nil {
		return err
	}
	statement, err := read(text)
	if err != nil {
		return err
	}
	theirs, err := protojson.MarshalOptions{Multiline: true}.Marshal(statement)
	if err != nil {
		return err
	}
	other := filepath.Join(r.work, "go", "theirs.json")
	if err := writeFile(other, theirs); err != nil {
		return err
	}
	if err := r.call(nil, "verify", data, "--attestation", other); err != nil {
		return err
	}
	ok("makoto verify passes against a statement written by protojson")
	return nil
}

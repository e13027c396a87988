package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// Names that are legal and easy to sort or quote wrongly. Bytes of whole paths decide the order:
// "a-b" < "a.b" < "a/b" < "a0"; and U+FF5E before U+1F600, which UTF-16 would turn round.
var oddNames = []string{
	"a/b", "a-b", "a.b", "a0", "A/b", "a b/c d", " lead", "trail ", "  two", "-rf", "--", "*", "?",
	"[x]", "$HOME", "`id`", "'single'", "\"double\"", "#hash", "!bang", "~", ".hidden", ".git/config",
	"...", "a..b", "tab\there", "bell\a", "esc\x1b[31m", "\u202ertl", "\u00e9", "e", "z",
	"\u65e5\u672c/\u8a9e.csv", "\uff5e", "\U0001f600", "\U0001f600 dir/\u00fc", "x=1/y=2/part-0.csv",
	"x=1/y=10/part-0.csv", "x=1/y=2.csv", "deep/1/2/3/4/5/6/7/8/9/leaf", "line  two spaces",
	"h1:looks=", "go.mod", "%2e%2e", "C:", "nul", strings.Repeat("n", 250),
}

// hash1Hex is dirhash.Hash1 over a folder, in the hex form of in-toto's dirHash.
func hash1Hex(folder string) (string, error) {
	hash, err := dirhash.HashDir(folder, "", dirhash.Hash1)
	if err != nil {
		return "", err
	}
	encoded, isH1 := strings.CutPrefix(hash, "h1:")
	if !isH1 {
		return "", fmt.Errorf("dirhash wrote %q", hash)
	}
	sum, err := base64.StdEncoding.DecodeString(encoded)
	return hex.EncodeToString(sum), err
}

func (r *runner) compareFolder(folder string) error {
	theirs, err := hash1Hex(folder)
	if err != nil {
		return err
	}
	subject, err := r.attest(folder)
	if err != nil {
		return err
	}
	for _, key := range []string{"dirHash", "sha256"} {
		if subject.Digest[key] != theirs {
			return differ(folder+" "+key, theirs, subject.Digest[key])
		}
	}
	return r.call(nil, "verify", folder)
}

func (r *runner) checkFolders() error {
	odd, err := r.folder("odd-names")
	if err != nil {
		return err
	}
	for index, name := range oddNames {
		data := bytes.Repeat([]byte{byte(index)}, index*index*40)
		if err := writeFile(filepath.Join(odd, name), data); err != nil {
			return err
		}
	}
	// Empty folders and modes are not covered, by theirs or by ours.
	if err := os.MkdirAll(filepath.Join(odd, "no files in here"), 0o700); err != nil {
		return err
	}
	if err := r.compareFolder(odd); err != nil {
		return err
	}
	ok("dirhash.Hash1 = dirHash = sha256: %d nested files with odd names", len(oddNames))

	many, err := r.folder("many-files")
	if err != nil {
		return err
	}
	const files = 3000
	for index := range files {
		name := fmt.Sprintf("day=%d/part-%d.csv", index%37, index)
		if err := writeFile(filepath.Join(many, name), []byte(name)); err != nil {
			return err
		}
	}
	if err := r.compareFolder(many); err != nil {
		return err
	}
	ok("dirhash.Hash1 = dirHash = sha256: %d files hashed in parallel", files)
	return nil
}

// checkFolderNeighbours changes one thing at a time: both hashes change, and still agree.
func (r *runner) checkFolderNeighbours() error {
	folder, err := r.folder("neighbours")
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(folder, name) }
	changes := []struct {
		what string
		do   func() error
	}{
		{"made", func() error { return writeFile(at("x/one"), []byte("1")) }},
		{"file added", func() error { return writeFile(at("x/two"), []byte("2")) }},
		{"byte changed", func() error { return writeFile(at("x/two"), []byte("3")) }},
		{"file renamed", func() error { return os.Rename(at("x/two"), at("x/Two")) }},
		{"file moved up", func() error { return os.Rename(at("x/Two"), at("Two")) }},
		{"file emptied", func() error { return writeFile(at("Two"), nil) }},
		{"file lost", func() error { return os.Remove(at("Two")) }},
	}
	states := []string{}
	for _, change := range changes {
		if err := change.do(); err != nil {
			return err
		}
		// The last change goes back to the first state.
		if len(states) > 0 && r.call(nil, "verify", folder) == nil {
			return fmt.Errorf("%s: makoto verify still passes", change.what)
		}
		if err := r.compareFolder(folder); err != nil {
			return fmt.Errorf("%s: %w", change.what, err)
		}
		hash, err := hash1Hex(folder)
		if err != nil {
			return err
		}
		if len(states) > 0 && hash == states[len(states)-1] {
			return fmt.Errorf("%s: the hash stayed %s", change.what, hash)
		}
		states = append(states, hash)
	}
	if states[0] != states[len(states)-1] {
		return differ("the folder as it was at first", states[0], states[len(states)-1])
	}
	ok("dirhash.Hash1 = dirHash after each of %d changes, verify refuses each before", len(changes)-1)
	return nil
}

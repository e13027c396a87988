package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// rootOf is the RFC 6962 root over records, in hex.
func rootOf(records [][]byte) (string, error) {
	hasher := rfc6962.DefaultHasher
	factory := compact.RangeFactory{Hash: hasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for _, record := range records {
		if err := tree.Append(hasher.HashLeaf(record), nil); err != nil {
			return "", err
		}
	}
	if len(records) == 0 {
		return hex.EncodeToString(hasher.EmptyRoot()), nil
	}
	root, err := tree.GetRootHash(nil)
	return hex.EncodeToString(root), err
}

func (r *runner) compareRecords(path string, records [][]byte, extra ...string) error {
	subject, err := r.attest(path, extra...)
	if err != nil {
		return err
	}
	root, err := rootOf(records)
	if err != nil {
		return err
	}
	count := strconv.Itoa(len(records))
	if subject.Digest["recordCount"] != count {
		return differ(path+" recordCount", count, subject.Digest["recordCount"])
	}
	if subject.Digest["merkleRoot"] != root {
		return differ(path+" merkleRoot", root, subject.Digest["merkleRoot"])
	}
	return nil
}

func (r *runner) checkJSONLinesRoots() error {
	folder, err := r.folder("jsonl")
	if err != nil {
		return err
	}
	for _, size := range []int{0, 1, 2, 3, 5, 8, 1000, 4097} {
		var data bytes.Buffer
		records := make([][]byte, size)
		for index := range records {
			pad := strings.Repeat("x", index*7%211)
			records[index] = fmt.Appendf(nil, `{ "i": %d,"pad":"%s"}`, index, pad)
			data.Write(records[index])
			switch {
			case index == size-1: // no line end at the end
			case index%5 == 3:
				data.WriteString("\r\n")
			case index%7 == 4:
				data.WriteString("\n\n\r\n") // empty lines are no records
			default:
				data.WriteString("\n")
			}
		}
		path := filepath.Join(folder, fmt.Sprintf("%d.jsonl", size))
		if err := writeFile(path, data.Bytes()); err != nil {
			return err
		}
		if err := r.compareRecords(path, records); err != nil {
			return err
		}
		ok("transparency-dev/merkle root and count of %d JSON Lines records", size)
	}
	return nil
}

// checkCSVRoot lets encoding/csv find the records: InputOffset gives the raw bytes of each.
// encoding/csv skips empty lines, which are records for makoto, so there are none here.
func (r *runner) checkCSVRoot() error {
	folder, err := r.folder("csv")
	if err != nil {
		return err
	}
	var data bytes.Buffer
	data.WriteString("id,\"note\nof two lines\"\r\n")
	for index := range 1500 {
		note := []string{"plain", "\"line\nline\r\nline\"", "\"say \"\"hi\"\"\"", "\"a,b\"", "\"\"", "\"\n\""}[index%6]
		fmt.Fprintf(&data, "%d,%s%s", index, note, []string{"\n", "\r\n"}[index%2])
	}
	data.WriteString("last,\"no\nend\"")
	path := filepath.Join(folder, "quoted.csv")
	if err := writeFile(path, data.Bytes()); err != nil {
		return err
	}

	reader := csv.NewReader(bytes.NewReader(data.Bytes()))
	records := [][]byte{}
	start := int64(0)
	for {
		_, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		end := reader.InputOffset()
		raw := bytes.TrimSuffix(data.Bytes()[start:end], []byte("\n"))
		records = append(records, bytes.TrimSuffix(raw, []byte("\r")))
		start = end
	}
	header, records := records[0], records[1:]
	if err := r.compareRecords(path, records); err != nil {
		return err
	}
	subject, err := r.attest(path)
	if err != nil {
		return err
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(header))
	if ours := subject.Annotations.Records.HeaderDigest["sha256"]; ours != digest {
		return differ("headerDigest", digest, ours)
	}
	ok("encoding/csv + transparency-dev/merkle: count, root, headerDigest of %d records with quoted line ends", len(records))
	return nil
}

// checkMerkleProbes asks their verifier for its verdict on every probe of testkit/merkle.
func (r *runner) checkMerkleProbes() error {
	paths, err := filepath.Glob(filepath.Join(r.root, "testkit", "merkle", "*.json"))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no probes: %w", err)
	}
	refused := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var probe struct {
			LeafIdx, TreeSize, Size1, Size2 uint64
			LeafHash, Root, Root1, Root2    []byte
			Proof                           [][]byte
			WantErr                         bool
		}
		if err := json.Unmarshal(text, &probe); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if strings.HasPrefix(filepath.Base(path), "inclusion") {
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, probe.LeafIdx, probe.TreeSize,
				probe.LeafHash, probe.Proof, probe.Root)
		} else {
			err = proof.VerifyConsistency(rfc6962.DefaultHasher, probe.Size1, probe.Size2,
				probe.Proof, probe.Root1, probe.Root2)
		}
		if (err != nil) != probe.WantErr {
			return differ(filepath.Base(path)+", refused?", fmt.Sprint(err), fmt.Sprint(probe.WantErr))
		}
		if probe.WantErr {
			refused++
		}
	}
	ok("transparency-dev/merkle/proof agrees with testkit/merkle: %d proofs, %d of them refused", len(paths), refused)
	return nil
}

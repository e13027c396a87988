// Command interop recomputes with Go libraries what makoto writes, and reads it with theirs.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", "", "root of the repository")
	work := flag.String("work", "", "scratch folder; every attestation below it is read")
	flag.Parse()
	makoto := os.Getenv("MAKOTO")
	if *root == "" || *work == "" || makoto == "" {
		fmt.Fprintln(os.Stderr, "usage: MAKOTO=... interop -root DIR -work DIR")
		os.Exit(2)
	}
	run := &runner{makoto: makoto, root: *root, work: *work}
	for _, check := range []func() error{
		run.checkFolders,
		run.checkFolderNeighbours,
		run.checkJSONLinesRoots,
		run.checkCSVRoot,
		run.checkMerkleProbes,
		run.checkStatementsRead,
		run.checkStatementNeighbours,
		run.checkStatementsWritten,
	} {
		if err := check(); err != nil {
			fmt.Printf("FAILED go: %v\n", err)
			os.Exit(1)
		}
	}
}

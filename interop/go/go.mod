module makoto.dev/interop

go 1.24.0

require (
	github.com/in-toto/attestation v1.2.0
	github.com/transparency-dev/merkle v0.0.2
	golang.org/x/mod v0.33.0
	google.golang.org/protobuf v1.36.11
)

// apko and melange, which scripts/install-go-tools builds. `go install PATH@VERSION` can't: a proxy that keeps modules under this name
// has no list of their versions.
module tools

go 1.26.2

require (
	chainguard.dev/apko v1.2.37
	chainguard.dev/melange v0.59.1
	chainguard.dev/sdk v0.1.197
)

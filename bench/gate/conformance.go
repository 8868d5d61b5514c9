package gate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// conformancePackages are those whose tests hold what is measured to its laws, and
// the measurement to its accounts.
var conformancePackages = []string{
	"./core/buffer/...", "./core/processor/...", "./variants/...", "./bench/worker/...",
}

// Conformance is the layer of laws and accounts: head's own short tests of
// buffers, listeners and runs. What is wrong cannot be faster. A quick gate only
// does those of the buffers' own package.
func Conformance(quick bool) Layer {
	args := append([]string{"test", "-short", "-timeout", "60m"}, conformancePackages...)
	guess := time.Minute
	if quick {
		args, guess = []string{"test", "-short", "-timeout", "60m", "./core/buffer"}, 5*time.Second
	}
	return Layer{
		Name: "conformance", Guess: guess,
		Measure: func(ctx context.Context, s Sides, _ []Subject) (Outcome, error) {
			out, err := leashed(ctx, s.Head.Tree.Dir, "go", args...)
			var exit *exec.ExitError
			switch {
			case err == nil:
				return Outcome{}, nil
			case errors.As(err, &exit):
				return Outcome{Failure: failures(string(out))}, nil
			}
			return Outcome{}, fmt.Errorf("go test: %w", err)
		},
	}
}

// failures returns the lines of go test that tell what failed, not too many.
func failures(out string) string {
	const most = 30
	var told []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "?") {
			continue
		}
		told = append(told, line)
	}
	if extra := len(told) - most; extra > 0 {
		told = append(told[:most], fmt.Sprintf("and %d lines more", extra))
	}
	return strings.Join(told, "\n")
}

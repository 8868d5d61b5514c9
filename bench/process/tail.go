package process

import (
	"bytes"
	"strings"
	"sync"
)

// A Tail keeps the end of what a process writes to its standard error. Any number
// of goroutines may use it; the zero value is empty.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-tailBytes):]...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String returns what is kept as lines to be put below an error, each with a newline
// and a tab before it, or nothing.
func (t *Tail) String() string { return t.Below("") }

// Below is String with a head before the lines, if there are any.
func (t *Tail) Below(head string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(bytes.TrimSpace(t.text)) == 0 {
		return ""
	}
	return head + "\n\t" + strings.ReplaceAll(strings.TrimSpace(string(t.text)), "\n", "\n\t")
}

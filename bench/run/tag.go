package run

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// CheckTag returns an error unless a tag is "" or a name of letters, digits, dots,
// underscores and hyphens.
func CheckTag(tag string) error {
	odd := func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !word && !strings.ContainsRune("._-", r)
	}
	if strings.ContainsFunc(tag, odd) || strings.HasPrefix(tag, "-") {
		return errors.New("expected letters, digits, . _ -")
	}
	return nil
}

// TagOf returns the tag of the run in a folder, "" if it has none. It fails for a folder
// without a run.
func TagOf(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(path, manifestName))
	if err != nil {
		return "", err
	}
	var m struct{ Tag string }
	return m.Tag, json.Unmarshal(text, &m)
}

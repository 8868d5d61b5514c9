package page_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/page"
)

var update = flag.Bool("update", false, "write the golden files anew")

func written(t *testing.T, in page.Input) string {
	var w bytes.Buffer
	require.NoError(t, page.Write(&w, in))
	return w.String()
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	file = "testdata/" + file
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, string(want) == got, "%s differs: go test ./bench/page -update, then look at it", file)
}

func TestGolden(t *testing.T) {
	golden(t, "report.html", written(t, invent(sixBuffers, tenWorkloads, 6)))
}

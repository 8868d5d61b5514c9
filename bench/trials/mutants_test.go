package trials

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/flame"
	"informerlab/loadgen"
)

const root = "../.."

// functions returns where the functions of a file begin and end, by the names that
// profiles have for them.
func functions(t *testing.T, file, source string) map[string][2]int {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	found := map[string][2]int{}
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Type.TypeParams != nil {
			name += "[…]"
		}
		if f.Recv != nil {
			from, to := set.Position(f.Recv.List[0].Type.Pos()).Offset, set.Position(f.Recv.List[0].Type.End()).Offset
			receiver := regexp.MustCompile(`\[.*\]`).ReplaceAllString(source[from:to], "[…]")
			if strings.HasPrefix(receiver, "*") {
				receiver = "(" + receiver + ")"
			}
			name = receiver + "." + name
		}
		found[filepath.Dir(file)+"."+name] = [2]int{set.Position(f.Pos()).Offset, set.Position(f.End()).Offset}
	}
	return found
}

// TestMutantsFitTheTree finds rows that a change of the code has left behind: the
// old texts are there once, the new ones parse, the guilty functions exist, and an
// edit is in one of them or in what it calls or reads.
func TestMutantsFitTheTree(t *testing.T) {
	names := map[string]bool{}
	for _, m := range AllMutants() {
		assert.False(t, names[m.Name], "%s is there twice", m.Name)
		names[m.Name] = true
		data, err := os.ReadFile(filepath.Join(root, m.File))
		require.NoError(t, err)
		source := string(data)
		changed, err := m.Apply(source)
		require.NoError(t, err)
		assert.NotEqual(t, source, changed, m.Name)
		functions(t, m.File, changed)
		there := functions(t, m.File, source)
		inside := false
		for _, guilty := range m.Guilty {
			assert.Contains(t, there, guilty, "%s: a guilty function is not in %s", m.Name, m.File)
			for _, e := range m.Edits {
				at := strings.Index(source, e.Old)
				inside = inside || at < there[guilty][1] && at+len(e.Old) > there[guilty][0]
			}
		}
		assert.True(t, inside, "%s: no edit is in a guilty function", m.Name)
		assert.NotEmpty(t, sampleTypes[m.Kind], m.Name)
		_, err = loadgen.ParseWorkload(m.Workload)
		require.NoError(t, err, m.Name)
	}
	assert.GreaterOrEqual(t, len(names), 12)
}

func TestApplyWantsTheTextOnce(t *testing.T) {
	m := Mutant{Name: "m", File: "a.go", Edits: []Edit{{"old", "new"}}}
	changed, err := m.Apply("an old text")
	require.NoError(t, err)
	assert.Equal(t, "an new text", changed)
	for _, source := range []string{"", "old old"} {
		_, err := m.Apply(source)
		require.ErrorContains(t, err, `mutants: m: a.go: found "old"`)
	}
}

// TestFindings checks who counts as slower and explained, and what is printed.
func TestFindings(t *testing.T) {
	m := &Mutant{Name: "m", What: "slow", Kind: "cpu", Guilty: []string{"a.f"}}
	top := []flame.Frame{{Function: "a.x", Head: 9e6}, {Function: "informerlab/a.f", Base: 1e6, Head: 3e6}}
	explained := explanation{Mutant: m, CPU: 1.5, Wall: 0.9, Top: top, Rank: 2}
	var out bytes.Buffer
	explained.write(&out)
	assert.Regexp(t, `^m +cpu +1\.50× +0\.90× +2 +\+2 ms +0 s +a\.f: slow\n$`, out.String())
	for _, f := range []struct {
		explanation
		slower, explained bool
	}{
		{explained, true, true},
		{explanation{Mutant: m, CPU: 1.01, Wall: 1.2, Rank: 3}, true, true},
		{explanation{Mutant: m, CPU: 1.5, Wall: 1.2, Rank: 4}, true, false},
		{explanation{Mutant: m, CPU: 1.04, Wall: 1.04, Rank: 1}, false, true},
		{explanation{Mutant: m, CPU: 2}, true, false},
	} {
		assert.Equal(t, f.slower, f.Slower())
		assert.Equal(t, f.explained, f.Explained())
	}
	out.Reset()
	missed := explanation{Mutant: m, CPU: 2, Top: top[:1]}
	missed.write(&out)
	assert.Regexp(t, `-  +-.*\n +1 +\+9 ms +not a\.x\n$`, out.String())
}

func TestStatus(t *testing.T) {
	for tally, want := range map[tally]error{
		{12, 12, 12}: nil, {12, 12, 11}: nil, {12, 12, 10}: ErrUnexplained, {16, 15, 14}: nil,
		{1, 1, 0}: ErrUnexplained, {1, 1, 1}: nil, {16, 11, 11}: ErrTooFew, {}: ErrTooFew,
	} {
		assert.Equal(t, want, tally.err(), tally)
	}
}

func TestMedianOfRatios(t *testing.T) {
	assert.InDelta(t, 2, medianRatio([]float64{4, 9, 1}, []float64{2, 3, 1}), 0)
	assert.InDelta(t, 2.5, medianRatio([]float64{2, 3}, []float64{1, 1}), 0)
}

// TestBadMutants checks that mistakes are told before anything is built.
func TestBadMutants(t *testing.T) {
	for _, o := range []Mutants{{Only: "("}, {Runs: 1, Seconds: 1}, {Blocks: 1, Runs: 1}} {
		var out bytes.Buffer
		assert.ErrorIs(t, o.Run(t.Context(), &out), ErrInput)
		assert.Empty(t, out.String())
	}
}

// TestOneMutantIsExplained builds and measures the one that is hardest to miss.
func TestOneMutantIsExplained(t *testing.T) {
	if testing.Short() {
		t.Log("short: no mutant was built")
		return
	}
	var out bytes.Buffer
	o := Mutants{Root: root, Only: "^clock-per-call$", Blocks: 2, Runs: 1, Seconds: 0.3}
	assert.NoError(t, o.Run(t.Context(), &out), out.String())
}

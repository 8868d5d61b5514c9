package core_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limits of the house: a function fits a screen, a file a sitting, a line a
// window beside another one.
const (
	functionLines = 70
	fileLines     = 500 // not for tests
	lineColumns   = 120 // a tab counts as 4
)

// outside matches mentions of working papers that a reader of this repository
// does not have. It is put together so that it does not match itself.
var outside = regexp.MustCompile(`(?i)\bshare` + `d/|\.\./share` + `d\b|` +
	`invariant` + ` I\d|design` + ` section`)

// styleFaults returns what is wrong with a Go file, line by line.
func styleFaults(file, source string) (faults []string) {
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	if ast.IsGenerated(parsed) {
		return nil
	}
	test := strings.HasSuffix(file, "_test.go")
	lines := strings.Split(strings.TrimSuffix(source, "\n"), "\n")
	if len(lines) > fileLines && !test {
		fault(1, "file of %d lines, more than %d", len(lines), fileLines)
	}
	for i, line := range lines {
		columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
		if columns > lineColumns && !strings.Contains(line, "://") { // an address cannot be broken
			fault(i+1, "line of %d columns, more than %d", columns, lineColumns)
		}
	}
	for _, decl := range parsed.Decls {
		start, end := set.Position(decl.Pos()).Line, set.Position(decl.End()).Line
		if f, ok := decl.(*ast.FuncDecl); ok && end-start+1 > functionLines {
			fault(start, "function %s of %d lines, more than %d", f.Name.Name, end-start+1, functionLines)
		}
		if !test {
			for _, name := range undocumented(decl) {
				fault(set.Position(name.Pos()).Line, "exported %s has no doc comment", name.Name)
			}
		}
	}
	return faults
}

// undocumented returns the exported names that a declaration makes without
// saying what they are. The comment of a group is enough for all its names.
func undocumented(decl ast.Decl) (names []*ast.Ident) {
	exported := func(documented bool, idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() && !documented {
				names = append(names, ident)
			}
		}
	}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		exported(decl.Doc != nil || !receiverExported(decl), decl.Name)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				exported(decl.Doc != nil || spec.Doc != nil || spec.Comment != nil, spec.Name)
			case *ast.ValueSpec:
				exported(decl.Doc != nil || spec.Doc != nil || spec.Comment != nil, spec.Names...)
			}
		}
	}
	return names
}

// receiverExported reports whether a function is one, or a method of an
// exported type.
func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return true
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// textFiles returns the files that are or could be tracked, relative to the
// root. Without git, as in an exported tree, it returns all.
func textFiles(t *testing.T, root string) (files []string) {
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	if out, err := git.Output(); err == nil {
		return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			file, err = filepath.Rel(root, file)
			files = append(files, file)
		}
		return err
	})
	require.NoError(t, err)
	return files
}

func TestStyle(t *testing.T) {
	root, _ := repository(t)
	for _, file := range goFiles(t, root) {
		source, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		for _, fault := range styleFaults(file, string(source)) {
			t.Error(fault)
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	root, _ := repository(t)
	documented := map[string]bool{}
	for _, file := range goFiles(t, root) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		mode := parser.ParseComments | parser.PackageClauseOnly
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, mode)
		require.NoError(t, err)
		dir := filepath.Dir(file)
		documented[dir] = documented[dir] || parsed.Doc != nil
	}
	for dir, ok := range documented {
		assert.True(t, ok, "%s has no package comment", dir)
	}
}

func TestTextStandsAlone(t *testing.T) {
	root, _ := repository(t)
	for _, file := range textFiles(t, root) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || bytes.IndexByte(text, 0) >= 0 || strings.Contains(file, "testdata") {
			continue // deleted, a link to a folder, binary, or recorded
		}
		for i, line := range strings.Split(string(text), "\n") {
			if found := outside.FindString(line); found != "" {
				t.Errorf("%s:%d: mentions %q, which is not in this repository", file, i+1, found)
			}
		}
	}
}

// Tests about the code have to be able to fail, too.
func TestStyleFaultsAreFound(t *testing.T) {
	body := func(lines int) string { return strings.Repeat("\n", lines-1) }
	for source, want := range map[string]string{
		"":                                       "",
		"func F() {}":                            "x.go:2: exported F has no doc comment",
		"// F is f.\nfunc F() {}":                "",
		"type t int\nfunc (t) M() {}":            "",
		"// T is t.\ntype T[A any] int":          "",
		"func (*T[A]) M() {}":                    "x.go:2: exported M has no doc comment",
		"const (\n\tA = 1 // a\n\tB = 2\n)":      "x.go:4: exported B has no doc comment",
		"// Both.\nvar A, B int":                 "",
		"func f() {" + body(70) + "}":            "",
		"func f() {" + body(71) + "}":            "x.go:2: function f of 71 lines, more than 70",
		"//" + strings.Repeat("─", 108):          "",
		"\t//" + strings.Repeat("─", 115):        "x.go:2: line of 121 columns, more than 120",
		"// https://" + strings.Repeat("─", 108): "",
		body(499): "",
		body(500): "x.go:1: file of 501 lines, more than 500",
		"// Code generated by x. DO NOT EDIT.\nvar A int": "",
		"func": "x.go:2:6: expected 'IDENT', found 'EOF'",
	} {
		faults := strings.Join(styleFaults("x.go", "package p\n"+source+"\n"), "\n")
		assert.Equal(t, want, strings.Split(faults, " (and")[0], source)
	}
	test := "package p\nvar A int\n" + body(600)
	assert.Empty(t, styleFaults("x_test.go", test), "a test is neither short nor documented")

	folder, law, section := "share"+"d", 20, 4
	for text, want := range map[string]bool{
		"see ../" + folder: true, "in " + folder + "/x.md": true, fmt.Sprintf("INVARIANT I%d", law): true,
		fmt.Sprintf("Design"+" section %d", section): true, "a shared log": false, "invariant: i > 0": false,
	} {
		assert.Equal(t, want, outside.MatchString(text), text)
	}
}

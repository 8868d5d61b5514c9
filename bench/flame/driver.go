package flame

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"
)

// The names under which profiles are fetched.
const (
	sourceName = "profile"
	baseName   = "base"
)

// handlersOf starts pprof's web interface without a server and returns its
// pages' handlers. They stay usable until the next call.
func handlersOf(p, base *profile.Profile) (map[string]http.Handler, error) {
	// With a port given, the driver opens no socket of its own: the server is ours.
	args := []string{"-http=localhost:1", "-no_browser", "-symbolize=none"}
	if staged(p) {
		args = append(args, "-tagroot="+stageLabel)
	} else {
		args = append(args, "-tagroot=") // the driver keeps the one of the last call
	}
	if base != nil {
		args = append(args, "-diff_base="+baseName)
	}
	args = append(args, sourceName)
	ui := &ui{}
	var handlers map[string]http.Handler
	err := driver.PProf(&driver.Options{
		Flagset: &flags{FlagSet: flag.NewFlagSet("pprof", flag.ContinueOnError), args: args},
		Fetch:   fetcher{sourceName: p, baseName: base},
		UI:      ui,
		HTTPServer: func(server *driver.HTTPServerArgs) error {
			handlers = server.Handlers
			return nil
		},
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("pprof's driver: %w", err)
	case handlers == nil:
		return nil, fmt.Errorf("pprof's driver: no handlers: %s", ui.lastError)
	}
	return handlers, nil
}

// A fetcher hands out profiles that are in memory. It returns no address for
// them: for a profile with an address the driver saves a copy in the home folder.
type fetcher map[string]*profile.Profile

func (f fetcher) Fetch(name string, _, _ time.Duration) (*profile.Profile, string, error) {
	p := f[name]
	if p == nil {
		return nil, "", fmt.Errorf("flame: unknown profile %q", name)
	}
	return p.Copy(), "", nil
}

// Flags are the command line that the driver believes it was started with.
type flags struct {
	*flag.FlagSet
	args []string
}

func (f *flags) StringList(name, value, usage string) *[]*string {
	list := &[]*string{}
	f.Func(name, usage, func(v string) error {
		*list = append(*list, &v)
		return nil
	})
	return list
}

func (f *flags) ExtraUsage() string   { return "" }
func (f *flags) AddExtraUsage(string) {}

func (f *flags) Parse(func()) []string {
	f.SetOutput(io.Discard)
	if err := f.FlagSet.Parse(f.args); err != nil {
		return nil
	}
	return f.Args()
}

// A ui keeps the driver silent and remembers its last complaint.
type ui struct{ lastError string }

func (*ui) ReadLine(string) (string, error)     { return "", io.EOF }
func (*ui) Print(...any)                        {}
func (u *ui) PrintErr(args ...any)              { u.lastError = fmt.Sprint(args...) }
func (*ui) IsTerminal() bool                    { return false }
func (*ui) WantBrowser() bool                   { return false }
func (*ui) SetAutoComplete(func(string) string) {}

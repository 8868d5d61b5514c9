package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"informerlab/bench/judge"
	"informerlab/bench/page"
	"informerlab/bench/process"
	"informerlab/bench/report"
	"informerlab/bench/run"
)

// The pages that are made of a run, and those of all runs.
const (
	pageName    = "report.html"
	summaryName = "summary.md"
	tableName   = "table.txt"
	publicName  = "index.html"
	historyName = "history.jsonl" // of the public front page
	localName   = "local.html"

	localHistoryName = "local.jsonl"
)

// savePages makes what is made of a run: table, summary and page. It returns the path of
// the one to open.
func savePages(folder string) (string, error) {
	r, err := run.Open(folder)
	if err != nil {
		return "", err
	}
	j := judge.Of(r, "")
	var table, summary, html bytes.Buffer
	if err := errors.Join(report.Tables(&table, j, ""), report.Summary(&summary, j)); err != nil {
		return "", err
	}
	for name, text := range map[string][]byte{tableName: table.Bytes(), summaryName: summary.Bytes()} {
		if err := run.Replace(filepath.Join(folder, name), text); err != nil {
			return "", err
		}
	}
	if err := page.Write(&html, j, page.Links(os.DirFS(r.Path))); err != nil { // it links to the others
		return "", err
	}
	path := filepath.Join(folder, pageName)
	return path, run.Replace(path, html.Bytes())
}

// tellPages makes the pages of a run and tells where they are.
func (l *lab) tellPages(folder string) error {
	path, err := savePages(folder)
	if err == nil {
		fmt.Fprintf(l.errOut, "lab: report in %s\n", path)
	}
	return err
}

// index brings a history up to date and makes the front page of it: of all runs on this
// machine, in files that git ignores, or of those that git tracks; and the table in
// README.
func (l *lab) index(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs")
	public := flags.Bool("public", false, "of the runs that git tracks, in files that it tracks")
	readme := flags.String("readme", "", "`file` with a table of the run that is named")
	return func(ctx context.Context) error {
		if (*readme == "") != (flags.NArg() == 0) {
			return usagef("expected -readme FILE and a run, or neither")
		}
		var text []byte // of README
		if *readme != "" {
			var err error
			if text, err = l.readmeText(*readme, *out, flags.Arg(0)); err != nil {
				return err
			}
		}
		all, err := l.recordedRuns(*out)
		if err != nil {
			return err
		}
		if *public {
			if all, err = tracked(ctx, *out, all); err != nil {
				return err
			}
		}
		path, err := writeIndex(*out, *public, all)
		if err != nil {
			return err
		}
		if *readme != "" {
			if err := run.Replace(*readme, text); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintln(l.out, path)
		return err
	}
}

// tracked returns the runs whose manifest git tracks.
func tracked(ctx context.Context, out string, all []*run.Recorded) ([]*run.Recorded, error) {
	command := exec.Command("git", "ls-files", "--", "*/run.json")
	command.Dir = out
	names, err := process.Output(ctx, command)
	if err != nil {
		return nil, usagef("-public: git ls-files: %w", err)
	}
	return slices.DeleteFunc(all, func(r *run.Recorded) bool {
		return !slices.Contains(strings.Fields(string(names)), filepath.Base(r.Path)+"/run.json")
	}), nil
}

// writeIndex adds runs to a history, and makes it and the front page of it. The local
// history begins with the public one. Of two entries of a run the later one counts.
func writeIndex(parent string, public bool, all []*run.Recorded) (path string, err error) {
	name, histories := localName, []string{historyName, localHistoryName}
	if public {
		name, histories = publicName, histories[:1]
	}
	history := map[string]page.Entry{} // by folder
	for _, name := range histories {
		if err := readHistory(filepath.Join(parent, name), history); err != nil {
			return "", err
		}
	}
	for _, r := range all {
		if entry := page.Summarize(judge.Of(r, "")); r.Manifest.Status == "complete" && len(r.Slices) > 0 {
			history[entry.Folder] = entry
		}
	}
	var entries []page.Entry
	for _, folder := range slices.Sorted(maps.Keys(history)) {
		entry := history[folder]
		_, err := os.Stat(filepath.Join(parent, folder, pageName))
		entry.Page = err == nil
		entries = append(entries, entry)
	}
	var lines, front bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return "", err
		}
	}
	if err := page.Front(&front, entries); err != nil {
		return "", err
	}
	path = filepath.Join(parent, name)
	kept := filepath.Join(parent, histories[len(histories)-1])
	return path, errors.Join(run.Replace(kept, lines.Bytes()), run.Replace(path, front.Bytes()))
}

// readHistory reads a line per run, of which there may be none yet.
func readHistory(path string, history map[string]page.Entry) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage{err}
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		var e page.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return usagef("%s:%d: %w", path, number, err)
		}
		history[e.Folder] = e
	}
	return lines.Err()
}

// readmeText returns the text of a README with the table of a run.
func (l *lab) readmeText(path, parent, name string) ([]byte, error) {
	r, err := l.openRun(parent, name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage{err}
	}
	if text, err = report.Readme(text, judge.Of(r, "")); err != nil {
		return nil, usage{err}
	}
	return text, nil
}

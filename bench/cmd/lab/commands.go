package main

import (
	"context"
	"slices"
)

// A command is one subcommand of lab. Commands without a group are hidden: lab starts
// them, or a script does.
type command struct {
	name     string // a word, or two of lab trace
	group    string
	operands string
	summary  string // a line of lab help
	about    string // full sentences for lab help COMMAND; its examples come last
	run      func(l *lab, ctx context.Context, args []string) error
}

// The groups of lab help, in its order.
const (
	toMeasure = "Measure"
	toCompare = "Compare"
	toShow    = "Show runs"
	toLoad    = "Workloads and recorded watches"
	toLab     = "The lab itself"
)

var groups = []string{toMeasure, toCompare, toShow, toLoad, toLab}

// commands are all there are.
func commands() []command {
	return slices.Concat(measureCommands(), compareCommands(), showCommands(), loadCommands(), labCommands(),
		hiddenCommands())
}

func measureCommands() []command {
	return []command{
		{"run", toMeasure, "", "measure buffers under workloads",
			`Run measures buffers inside a whole informer pipeline, in blocks of fresh processes, and prints a
table and who does best. The raw data, the pages and the environment are kept in a folder of their
own. Ctrl-C ends a run; what has been measured until then is valid.

  lab run -workload saturate:listeners=8 -buffers reference,ring -blocks 10
  lab run -workload my.toml -set keys=5 -tag before-fix`, (*lab).run},
		{"resume", toMeasure, "RUN", "measure what is missing of a run that was cut short",
			`Resume goes on with a run that was interrupted or killed, on the same machine and with the same
program. A run that another process is still measuring is refused.

  lab resume 20261122T165155Z-32d44b1b0`, (*lab).resume},
		{"replay", toMeasure, "[FILE]", "play a recorded watch to buffers and tell how faithfully",
			`Replay plays a recording once to each buffer: how faithful its times were, how late the generator
was, how much memory the process took, and whether the final caches are alike. Without FILE it plays
the recording that comes with lab.

  lab replay -speed 1 my-cluster.jsonl.gz`, (*lab).replay},
		{"micro", toMeasure, "", "measure buffers and outside queues alone, operation by operation",
			`Micro measures what a push, a pop, a wake-up, a pending item and an unused buffer cost, without a
pipeline. Queues from elsewhere are measured beside ours if .build/peers-worker is built.

  lab micro -measure 'Stream|Burst' -buffers reference,ring,chunked -rounds 15
  lab micro -raw > new.txt`, (*lab).micro},
		{"finding", toMeasure, "[NAME…]", "measure what answers an open question, and make its page",
			`Finding measures what the pages under results/findings say, and makes the pages. It goes on where an
earlier one was interrupted.

  lab finding ring-size`, (*lab).finding},
	}
}

func compareCommands() []command {
	return []command{
		{"compare", toCompare, "", "tell whether one program is slower than another",
			`Compare measures two programs side by side, with controls, until it can tell whether head is slower.
Base is a lab that was built in another checkout; head is this program unless another is named.

  lab compare -base ../main/.build/lab -workload saturate:listeners=8`, (*lab).compare},
		{"gate", toCompare, "", "compare the working tree with a git ref, and fail if it is slower",
			`Gate builds lab from a git ref and from the working tree and compares them layer by layer: laws,
allocations, instructions, CPU time, time by the clock. It stops at the first layer that fails.

  lab gate -base main -summary summary.md`, (*lab).gate},
		{"diff", toCompare, "RUN RUN", "compare two runs of one machine",
			`Diff compares two runs of one machine, row by row, before and after. They are of different hours: a
small change may be the machine's, and lab compare is sharper.

  lab diff before-fix after-fix`, (*lab).diff},
	}
}

func showCommands() []command {
	return []command{
		{"runs", toShow, "", "list the runs of a folder",
			`Runs lists the runs of a folder, the oldest first, with their tags.

  lab runs -out results`, (*lab).runs},
		{"show", toShow, "RUN", "tell what a run measured, and who did best",
			`Show tells what a run measured, on which machine, the figure that each workload is about, and who did
best. A RUN is a folder, the name of one, its unique beginning, or a tag.

  lab show before-fix`, (*lab).show},
		{"report", toShow, "RUN…", "print the table of a run, or of several as one",
			`Report prints the table of a run again, or one table of several runs that measured the same. It also
reads a file of Go benchmark text.

  lab report -base client-go 20261122T165155Z-32d44b1b0`, (*lab).report},
		{"flame", toShow, "[RUN]", "make flame graph pages of a run with profiles",
			`Flame makes flame graphs, and differential ones, of a run that was made with -profile; without RUN, of
the newest one.

  lab flame before-fix`, (*lab).flame},
		{"index", toShow, "[RUN]", "make the front page of all runs, and a table in a README",
			`Index makes the front page of all runs and their history: of those on this machine in local.html and
local.jsonl, which git ignores, and with -public of those that git tracks in index.html and
history.jsonl.

  lab index
  lab index -public -readme README.md 20261122T164538Z-32d44b1b0`, (*lab).index},
	}
}

func loadCommands() []command {
	return []command{
		{"list", toLoad, "", "list buffers, workloads and suites",
			`List tells which buffers there are and what each promises, which workloads, and what a suite measures.`,
			(*lab).list},
		{"describe", toLoad, "WORKLOAD", "print a workload as a file, with all options and what they mean",
			`Describe prints a workload as a file that lab run reads, with all options and what they mean.

  lab describe stall > mine.toml`, (*lab).describe},
		{"trace info", toLoad, "[FILE]", "tell rates, skew, sizes, and what can be coalesced",
			`Trace info tells what a recorded watch is like. FILE is plain, gzip or zstd; - is standard input;
without FILE it is the recording that comes with lab.`, (*lab).traceInfo},
		{"trace cut", toLoad, "[FILE]", "cut out a time, resources or the objects; repeat",
			`Trace cut writes a part of a recording, or several times the same.

  lab trace cut -from 10m -to 20m -resource pods -o part.jsonl.zst all.jsonl.gz`, (*lab).traceCut},
		{"trace from-kubectl", toLoad, "[FILE]", "make a recording of what kubectl get -w prints",
			`Trace from-kubectl makes a recording of your own cluster.

  kubectl get pods -A -w -o json --output-watch-events | lab trace from-kubectl -o pods.jsonl.gz -`,
			(*lab).traceFromKubectl},
		{"trace fit", toLoad, "[FILE]", "print synthetic workloads that resemble a recording",
			`Trace fit prints a workload that resembles what was recorded of each resource.

  lab trace fit -resource pods > pods.toml`, (*lab).traceFit},
	}
}

func labCommands() []command {
	return []command{
		{"overhead", toLab, "", "measure what the lab itself costs",
			`Overhead measures the same pipeline with the lab on and with it off, and tells what share of it is the
lab's.

  lab overhead -buffer ring -blocks 20`, (*lab).overhead},
		{"mutants", toLab, "", "slow down the code in known places: do flame graphs name them?",
			`Mutants puts known slow-downs into the code, one at a time and only for the build, and fails unless
the differential flame graph names nearly all of them. Nothing else should run meanwhile.

  lab mutants -run 'spin|lost-batch'`, (*lab).mutants},
		{"version", toLab, "", "print the version, commit, Go's version and client-go's",
			`Version prints what this program was built from, and the client-go of .build/peers-worker.`,
			(*lab).version},
	}
}

func hiddenCommands() []command {
	return []command{
		{"trials", "", "FILE", "try the comparison itself: false alarms, power",
			`Trials compares this program with itself, or with itself made slower, and keeps each comparison as a
line of FILE. scripts/false-alarms and scripts/power start it.`, (*lab).trials},
		{"busy", "", "SHARE SEED", "keep a processor busy for a share of the time, for trials",
			`Busy keeps one processor busy until its standard input ends.`, (*lab).busy},
		{"op", "", "", "push items through a buffer on one goroutine, for those who count instructions",
			`Op pushes items through a buffer on one goroutine.`, (*lab).op},
		{"worker", "", "", "serve measurements on standard input and output",
			`Worker is what lab run starts: requests on standard input, answers on standard output.`, (*lab).worker},
	}
}

// statuses is what the exit status of any command means.
const statuses = `The exit status is 0; 1 for a run that failed, or a head that is slower; 2 for a wrong command line
or input that cannot be used, when nothing was measured; 3 for a comparison without a verdict; 130
for what was interrupted.`

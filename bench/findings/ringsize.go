package findings

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"informerlab/bench/format"
	"informerlab/bench/process"
	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
)

// The sizes that are compared, and the bursts that each is measured with: 1 is a
// handler that keeps up, of whose notifications none waits in the ring.
var (
	initials = []int{0, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384}
	bursts   = []int{1, 64, 1024, 16384}
)

// A behaviour is how a handler treats its listener.
type behaviour struct {
	name string
	handler
	late bool // it comes late and is told of all objects at once
}

// The times of calls are the 99th percentiles of handlers of two controllers for
// the same updates of jobs, as kubernetes/kubernetes#126510 measured them.
var behaviours = []behaviour{
	{name: keepsUp, handler: handler{call: 24 * time.Microsecond}},
	{name: "slow, 3 ms", handler: handler{call: 3 * time.Millisecond}},
	{name: "stops for 1 s", handler: handler{24 * time.Microsecond, time.Second}},
	{name: "stops for 10 s", handler: handler{24 * time.Microsecond, 10 * time.Second}},
	{name: "comes late", late: true},
}

const keepsUp = "keeps up, 24 µs"

// busier is how many times as busy the larger cluster is.
const busier = 20

func ringSize() *Finding {
	f := &Finding{
		Name:   "ring-size",
		blocks: 8, facts: ringFacts, columns: []string{eventsColumn}, words: ringWords, figure: ringFigure,
		claims: ringClaims,
	}
	for _, b := range behaviours {
		f.columns = append(f.columns, b.name)
	}
	for _, initial := range initials {
		f.probes = append(f.probes, probe{idleArm(initial), []string{idleBytes}, func() (map[string]float64, error) {
			return idle(initial), nil
		}})
		for _, burst := range bursts {
			measure := func() (map[string]float64, error) { return passBursts(initial, burst) }
			f.probes = append(f.probes, probe{burstArm(initial, burst), []string{perNotification}, measure})
		}
	}
	var units []string
	for slots := 16; slots <= mostDoubled; slots *= 2 {
		units = append(units, doublingUnit(slots))
	}
	measure := func() (map[string]float64, error) { return doublings(), nil }
	f.probes = append(f.probes, probe{doublingArm, units, measure})
	return f
}

func idleArm(initial int) string         { return fmt.Sprintf("initial=%d/idle", initial) }
func burstArm(initial, burst int) string { return fmt.Sprintf("initial=%d/burst=%d", initial, burst) }

// eventsColumn is the column of facts with the number of events.
const eventsColumn = "events"

// ringFacts returns for each resource, as recorded and of the busier cluster, the
// most notifications that wait in the ring behind each behaviour.
func ringFacts() (map[string]map[string]float64, error) {
	streams, err := recordedStreams()
	if err != nil {
		return nil, err
	}
	facts := map[string]map[string]float64{}
	for _, s := range streams {
		for _, times := range []int{1, busier} {
			fast := s.faster(times)
			row := map[string]float64{eventsColumn: float64(len(s.times))}
			for _, b := range behaviours {
				if b.late {
					row[b.name] = float64(max(0, fast.objects-2))
				} else {
					row[b.name] = float64(b.peak(fast.times))
				}
			}
			facts[factRow(s.resource, times)] = row
		}
	}
	return facts, nil
}

// factRow is the row of a resource, of a cluster so many times as busy.
func factRow(resource string, times int) string { return resource + factSuffix(times) }

func factSuffix(times int) string { return fmt.Sprintf(" ×%d", times) }

// An update is a boxed notification of the size that client-go's has.
type update struct{ old, new *int }

const idleBytes = "idle-B"

// idle measures what a listener's buffer takes while nothing waits.
func idle(initial int) map[string]float64 {
	const buffers = 200
	all := make([]*buffer.Reference[any], buffers)
	before := buffertest.LiveBytes()
	for i := range all {
		all[i] = buffer.NewReferenceSized(initial, buffer.Params[any]{})
	}
	bytes := buffertest.LiveBytes() - before
	one := make([]any, 1)
	for _, b := range all {
		b.Close()
		b.Pop(one)
	}
	return map[string]float64{idleBytes: float64(bytes) / buffers}
}

// measuring is how long a probe repeats what it measures: some hundred times what
// a disturbance by the system takes.
const measuring = 150 * time.Millisecond

// passBursts measures the processor time to hand over bursts that wait in full
// before the first is popped, each through a new buffer. It uses one processor, so
// that neither waiting for another one nor its caches are in the figure.
func passBursts(initial, burst int) (map[string]float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	turns := 1
	if burst == 1 {
		turns = 1024 // so that the clock is not what is measured; the ring does not grow
	}
	var box any = update{new(int), new(int)}
	one, dst := []any{box}, make([]any, 1)
	runtime.GC()
	var took time.Duration
	count := 0
	for end := time.Now().Add(measuring); time.Now().Before(end); count += turns * burst {
		b := buffer.NewReferenceSized(initial, buffer.Params[any]{})
		began := process.CPU()
		for range turns {
			for range burst {
				b.Push(one)
			}
			for range burst {
				if b.Pop(dst); dst[0] != box {
					return nil, fmt.Errorf("popped %v, expected what was pushed", dst[0])
				}
			}
		}
		took += process.CPU() - began
		b.Close()
		if b.Pop(dst) != 0 {
			return nil, fmt.Errorf("more than %d were popped, expected no more", burst)
		}
	}
	return map[string]float64{perNotification: float64(took.Nanoseconds()) / float64(count)}, nil
}

const perNotification = "cpu-ns/notification"

// Doublings are measured of rings with up to so many slots; larger ones are reckoned
// from the largest, in proportion.
const mostDoubled = 1 << 17

const doublingArm = "doubling"

func doublingUnit(slots int) string { return strconv.Itoa(slots) + "-ns" }

// doublings measures the processor time to double a full ring of each size: a new
// array and two copies, as the reference does it.
func doublings() map[string]float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	figures := map[string]float64{}
	for slots := 16; slots <= mostDoubled; slots *= 2 {
		ring := make([]any, slots)
		for i := range ring {
			ring[i] = update{}
		}
		runtime.GC()
		times := 0
		began := process.CPU()
		for end := time.Now().Add(measuring / 10); time.Now().Before(end); times++ {
			double := make([]any, 2*slots)
			n := copy(double, ring[slots/3:])
			copy(double[n:], ring[:slots/3])
			runtime.KeepAlive(double)
		}
		figures[doublingUnit(slots)] = float64((process.CPU() - began).Nanoseconds()) / float64(times)
	}
	return figures
}

// doubling returns the nanoseconds that the doublings from an initial size on to
// what holds a backlog take.
func doubling(d *Data, initial, backlog int) (total float64) {
	doubled, _ := grown(initial, backlog)
	for _, slots := range doubled {
		known := min(max(slots, 16), mostDoubled)
		ns := d.figure(doublingArm, doublingUnit(known)).median
		total += ns * math.Max(1, float64(slots)/float64(known))
	}
	return total
}

// A size is what is to be said of an initial size.
type size struct {
	initial  int
	idle     float64 // bytes of a listener
	outgrown int     // cases, a resource and a behaviour each, in which the ring must grow
	keepsUp  bool    // it needs not grow behind any handler that keeps up
	longest  float64 // nanoseconds of all doublings in the case that has most of them
	// extra is what doublings take beyond those from client-go's size on, as a
	// share of the time to hand over all notifications of the case: the most.
	extra float64
}

// extraLimit is the share below which more doublings do not matter: less than one
// comparison of two programs can resolve on a shared machine.
const extraLimit = 0.01

// sizes returns what the recorded cluster makes of each initial size, and in how many
// cases: a resource and a behaviour each, with as many notifications as there are
// events, and for a late comer objects.
func sizes(d *Data) (all []size, cases int) {
	handOver := d.figure(burstArm(buffer.InitialSlots, 1024), perNotification).median
	for _, initial := range initials {
		all = append(all, size{
			initial: initial, idle: d.figure(idleArm(initial), idleBytes).median, keepsUp: true,
		})
	}
	for row, columns := range d.Facts {
		if !strings.HasSuffix(row, factSuffix(1)) {
			continue
		}
		for _, b := range behaviours {
			cases++
			backlog, notifications := int(columns[b.name]), columns[eventsColumn]
			if b.late {
				notifications += columns[b.name]
			}
			now := doubling(d, buffer.InitialSlots, backlog)
			for i := range all {
				all[i].meet(doubling(d, all[i].initial, backlog), now, handOver*notifications, b.name == keepsUp)
			}
		}
	}
	return all, cases
}

// meet notes a case: what doublings take and take now, and the time to hand over all.
func (s *size) meet(took, now, handOver float64, keepsUp bool) {
	if took == 0 {
		return
	}
	s.outgrown++
	s.keepsUp = s.keepsUp && !keepsUp
	s.longest = max(s.longest, took)
	s.extra = max(s.extra, (took-now)/handOver)
}

// of returns what is to be said of an initial size that is measured.
func of(d *Data, initial int) size {
	all, _ := sizes(d)
	return all[slices.IndexFunc(all, func(s size) bool { return s.initial == initial })]
}

// ringClaims are what the page concludes.
var ringClaims = map[string]claim{
	"128 slots are enough, 64 are not": func(d *Data) bool {
		return of(d, 128).extra < extraLimit && of(d, 64).extra >= extraLimit
	},
	"none that keeps up lets 128 slots grow": func(d *Data) bool { return of(d, 128).keepsUp },
	"128 slots take less than a third of 1,024": func(d *Data) bool {
		return 3*of(d, 128).idle < of(d, buffer.InitialSlots).idle
	},
}

func ringWords(d *Data) template.FuncMap {
	all, cases := sizes(d)
	return template.FuncMap{
		"cases":    func() int { return cases },
		"extra":    func(initial int) string { return format.Percent(of(d, initial).extra) },
		"idle":     func(initial int) string { return format.Bytes(of(d, initial).idle) },
		"saved":    func() string { return format.Bytes(500 * (of(d, buffer.InitialSlots).idle - of(d, 128).idle)) },
		"backlogs": func() (string, error) { return ringBacklogs(d) },
		"sizes":    func() (string, error) { return ringSizes(d, all, cases) },
	}
}

// shownResources is how many resources have a row of their own.
const shownResources = 5

// ringBacklogs shows the most that waits in rings.
func ringBacklogs(d *Data) (string, error) {
	head := []string{"most in the ring → slots"}
	for _, b := range behaviours {
		head = append(head, b.name)
	}
	var rows [][]string
	for _, times := range []int{1, busier} {
		suffix := ""
		if times > 1 {
			suffix = fmt.Sprintf(", ×%d", times)
		}
		resources := byEvents(d)
		groups := slices.Collect(slices.Chunk(resources[:min(shownResources, len(resources))], 1))
		if rest := resources[len(groups):]; len(rest) > 0 {
			groups = append(groups, rest)
		}
		for _, group := range groups {
			cells := []string{group[0] + suffix}
			if len(group) > 1 {
				cells[0] = fmt.Sprintf("the most of %d others%s", len(group), suffix)
			}
			for _, b := range behaviours {
				most := 0
				for _, r := range group {
					most = max(most, int(d.Facts[factRow(r, times)][b.name]))
				}
				_, slots := grown(16, most)
				cells = append(cells, fmt.Sprintf("%d → %d", most, slots))
			}
			rows = append(rows, cells)
		}
	}
	return markdown(head, rows)
}

// byEvents returns the resources of the facts, those with most events first.
func byEvents(d *Data) (resources []string) {
	for row := range d.Facts {
		if name, ok := strings.CutSuffix(row, factSuffix(1)); ok {
			resources = append(resources, name)
		}
	}
	slices.SortFunc(resources, func(a, b string) int {
		more := d.Facts[factRow(b, 1)][eventsColumn] - d.Facts[factRow(a, 1)][eventsColumn]
		if more == 0 {
			return strings.Compare(a, b)
		}
		return int(more)
	})
	return resources
}

// ringSizes shows what each initial size costs.
func ringSizes(d *Data, all []size, cases int) (string, error) {
	head := []string{
		"initial slots", "at rest, one listener", "100 listeners", fmt.Sprintf("must grow, of %d", cases),
		"all doublings, worst case", "beyond those from 1,024", "keeps up", "burst of 64", "burst of 1,024",
		"burst of 16,384",
	}
	var rows [][]string
	for _, s := range all {
		cells := []string{
			strconv.Itoa(s.initial), format.Bytes(s.idle), format.Bytes(100 * s.idle), strconv.Itoa(s.outgrown),
			format.Nanoseconds(s.longest), format.Percent(s.extra),
		}
		for _, burst := range bursts {
			arm, now := burstArm(s.initial, burst), burstArm(buffer.InitialSlots, burst)
			if arm == now {
				cells = append(cells, format.Nanoseconds(d.figure(arm, perNotification).median))
			} else {
				cells = append(cells, d.ratio(arm, now, perNotification))
			}
		}
		rows = append(rows, cells)
	}
	return markdown(head, rows)
}

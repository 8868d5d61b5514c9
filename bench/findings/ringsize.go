package findings

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

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
		blocks: 8, facts: ringFacts, columns: []string{eventsColumn}, page: ringPage, figure: ringFigure,
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

func ringPage(d *Data) map[string]string {
	all, cases := sizes(d)
	return map[string]string{
		"answer": ringAnswer(d, all, cases), "backlogs": ringBacklogs(d), "sizes": ringSizes(d, all, cases),
	}
}

// ringAnswer says which size is enough, by two rules.
func ringAnswer(d *Data, all []size, cases int) string {
	now := all[slices.IndexFunc(all, func(s size) bool { return s.initial == buffer.InitialSlots })]
	cheap := slices.IndexFunc(all, func(s size) bool { return s.extra < extraLimit })
	calm := slices.IndexFunc(all, func(s size) bool { return s.keepsUp })
	s := all[cheap] // there is one, as client-go's size takes nothing beyond itself
	enough := "**No slots are needed at first**"
	if s.initial > 0 {
		enough = fmt.Sprintf("**%s slots are enough**", group(float64(s.initial)))
	}
	answer := fmt.Sprintf("%s: in the worst of %d cases, late comers, slow handlers and stops included, the "+
		"doublings from there on take %s more of the time to hand over the same notifications than those from %s on, "+
		"once in a listener's life", enough, cases, percent(s.extra), group(float64(now.initial)))
	if cheap > 0 {
		answer += fmt.Sprintf("; with %s it is %s", group(float64(all[cheap-1].initial)), percent(all[cheap-1].extra))
	}
	switch {
	case calm >= 0 && all[calm].initial > s.initial:
		s = all[calm]
		answer += fmt.Sprintf(". %s are so many that in the recorded cluster no handler which keeps up lets the "+
			"ring grow", group(float64(s.initial)))
	case calm >= 0:
		answer += ". In the recorded cluster no handler which keeps up lets such a ring grow"
	default:
		answer += ". All rings measured grow behind some handler that keeps up there"
	}
	return answer + fmt.Sprintf("; a listener at rest then holds %s, against %s with client-go's %s slots: "+
		"%s for 500 listeners.", bytesOf(s.idle), bytesOf(now.idle), group(float64(now.initial)),
		saving(500*(now.idle-s.idle)))
}

// saving says in words what a difference in bytes is.
func saving(bytes float64) string {
	switch {
	case bytes > 0:
		return bytesOf(bytes) + " less"
	case bytes < 0:
		return bytesOf(-bytes) + " more"
	}
	return "the same"
}

// shownResources is how many resources have a row of their own.
const shownResources = 5

// ringBacklogs shows the most that waits in rings.
func ringBacklogs(d *Data) string {
	head := []string{"most in the ring → slots"}
	for _, b := range behaviours {
		head = append(head, b.name)
	}
	table := [][]string{head}
	resources := byEvents(d)
	row := func(name string, most func(column string) float64) {
		cells := []string{name}
		for _, b := range behaviours {
			backlog := most(b.name)
			_, slots := grown(16, int(backlog))
			cells = append(cells, fmt.Sprintf("%s → %s", group(backlog), group(float64(slots))))
		}
		table = append(table, cells)
	}
	for _, times := range []int{1, busier} {
		suffix := ""
		if times > 1 {
			suffix = fmt.Sprintf(", ×%d", times)
		}
		for _, r := range resources[:min(shownResources, len(resources))] {
			row(r+suffix, func(column string) float64 { return d.Facts[factRow(r, times)][column] })
		}
		if rest := resources[min(shownResources, len(resources)):]; len(rest) > 0 {
			row(fmt.Sprintf("the most of %d others%s", len(rest), suffix), func(column string) (most float64) {
				for _, r := range rest {
					most = max(most, d.Facts[factRow(r, times)][column])
				}
				return most
			})
		}
	}
	return markdown(table)
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
func ringSizes(d *Data, all []size, cases int) string {
	head := []string{
		"initial slots", "at rest, one listener", "100 listeners", fmt.Sprintf("must grow, of %d", cases),
		"all doublings, worst case", "beyond those from 1,024",
	}
	for _, burst := range bursts {
		name := "burst of " + group(float64(burst))
		if burst == 1 {
			name = "keeps up"
		}
		head = append(head, name+", × of 1,024")
	}
	table := [][]string{head}
	for _, s := range all {
		cells := []string{
			group(float64(s.initial)), bytesOf(s.idle), bytesOf(100 * s.idle), strconv.Itoa(s.outgrown),
			nanoseconds(s.longest), percent(s.extra),
		}
		for _, burst := range bursts {
			own := d.figure(burstArm(s.initial, burst), perNotification)
			if s.initial == buffer.InitialSlots {
				cells = append(cells, nanoseconds(own.median))
				continue
			}
			r := d.paired(burstArm(s.initial, burst), burstArm(buffer.InitialSlots, burst), perNotification, ratio)
			cells = append(cells, fmt.Sprintf("%.2f [%.2f, %.2f]", r.median, r.low, r.high))
		}
		table = append(table, cells)
	}
	return markdown(table)
}

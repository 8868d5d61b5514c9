package population

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"informerlab/core/source"
)

// A Population describes the keys of a load and what befalls them. Keys are
// numbers: those that exist at the start are 0 to Keys-1, later ones count on.
//
// An event is a growth, a shrinkage or a churn as often as the percentages say.
// All others update a present key. So does an event for which there is no key
// to delete or add again; if nothing is present at all, it adds a key instead.
// Keys to delete and keys to add again are chosen evenly.
//
// Popularity belongs to a place in the list of present keys, the first being
// the most popular, and not to a key for ever: an added key takes the last
// place, and when a key is deleted, the last one moves to its place and takes
// over its popularity. Of recent the places are by the last event: the key that
// had it is the most popular (the stack model of Mattson, Gecsei, Slutz and Traiger,
// "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970).
type Population struct {
	Keys   int     // that exist at the start, at most 10 million
	Pick   string  // which key is updated: uniform, zipf, hot, turns or recent
	Skew   float64 // zipf, recent: the exponent, from 0; hot: percent of updates that strike hot keys
	Hot    float64 // hot: percent of present keys that are hot, rounded, but at least one key
	Churn  float64 // percent of events that delete a key or add a deleted one again, half each
	Grow   float64 // percent of events that add a key never seen before
	Shrink float64 // percent of events that delete a key for good
}

// maxSkew bounds exponents, too, because at 100 already no draw of a lifetime
// strikes any but the first key.
const (
	maxKeys = 10_000_000
	maxSkew = 100
)

// picks are the laws of popularity: each returns a place in the list of present
// keys, which is not empty. They are in the order of Picks.
var picks = []struct {
	name  string
	place func(*Life) int
}{
	{"uniform", (*Life).pickUniform},
	{"zipf", (*Life).pickZipf},
	{"hot", (*Life).pickHot},
	{"turns", (*Life).pickTurn},
	{"recent", (*Life).pickRecent},
}

// Picks returns the values of Population.Pick.
func Picks() (names []string) {
	for _, p := range picks {
		names = append(names, p.name)
	}
	return names
}

// Check returns an error that names the first option that is out of its range
// and says what is expected, or nil.
func (p Population) Check() error {
	if p.Keys < 0 || p.Keys > maxKeys {
		return fmt.Errorf("population: keys=%d: expected a whole number from 0 to %d", p.Keys, maxKeys)
	}
	if !slices.Contains(Picks(), p.Pick) {
		return fmt.Errorf("population: pick=%q: expected uniform, zipf, hot, turns or recent", p.Pick)
	}
	if !(p.Skew >= 0 && p.Skew <= maxSkew) {
		return fmt.Errorf("population: skew=%v: expected a number from 0 to %d", p.Skew, maxSkew)
	}
	if !percentage(p.Hot) {
		return fmt.Errorf("population: hot=%v: expected a percentage from 0 to 100", p.Hot)
	}
	total := 0.0
	for _, s := range p.shares() {
		total += s.percent
		if !percentage(s.percent) || total > 100 {
			return fmt.Errorf("population: %s=%v: expected a percentage from 0 to 100, "+
				"with churn, grow and shrink at most 100 together", s.name, s.percent)
		}
	}
	return nil
}

func percentage(x float64) bool { return x >= 0 && x <= 100 }

// A share is a percentage of events with the name of its option.
type share struct {
	name    string
	percent float64
}

func (p Population) shares() []share {
	return []share{{"churn", p.Churn}, {"grow", p.Grow}, {"shrink", p.Shrink}}
}

// String returns the options as a label: "keys=1000,pick=zipf,skew=1.1,churn=2".
// Those that are zero or of no effect on the pick are left out.
func (p Population) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "keys=%d,pick=%s", p.Keys, p.Pick)
	option := func(name string, value float64) {
		b.WriteString("," + name + "=" + strconv.FormatFloat(value, 'g', -1, 64))
	}
	if p.Pick != "uniform" && p.Pick != "turns" {
		option("skew", p.Skew)
	}
	if p.Pick == "hot" {
		option("hot", p.Hot)
	}
	for _, s := range p.shares() {
		if s.percent != 0 {
			option(s.name, s.percent)
		}
	}
	return b.String()
}

// A Life is a population in the course of time. One goroutine uses it. It can
// hand out 2³² numbers.
type Life struct {
	rng  *rand.Rand
	pick func(*Life) int
	skew float64
	hot  float64
	// ordered tells that the order of present has a meaning.
	ordered bool

	// What a draw from 0 to 100 has to be less than to be of a kind, in order.
	grow, shrink, leave, come float64

	present []uint32 // key numbers, the most popular first; of recent last
	absent  []uint32 // those that may come back
	numbers uint32   // handed out
	weights []float64
	turn    int // the place that turns strike next, if there is one
}

// Begin returns the population as it is at the start. All chance comes from
// rng, which the Life uses up event by event. It panics if Check fails.
func (p Population) Begin(rng *rand.Rand) *Life {
	if err := p.Check(); err != nil {
		panic(err)
	}
	pick := picks[slices.Index(Picks(), p.Pick)].place
	l := &Life{rng: rng, pick: pick, skew: p.Skew, hot: p.Hot, ordered: p.Pick == "recent"}
	l.grow = p.Grow
	l.shrink = l.grow + p.Shrink
	l.leave = l.shrink + p.Churn/2
	l.come = l.shrink + p.Churn
	l.present = make([]uint32, 0, p.Keys)
	for range p.Keys {
		l.create()
	}
	return l
}

// Next draws the next event: the number of its key, and what happens to it.
func (l *Life) Next() (key uint32, t source.EventType) {
	kind := l.rng.Float64() * 100
	switch n := len(l.present); {
	case kind < l.grow, n == 0 && len(l.absent) == 0:
		return l.create(), source.Added
	case kind < l.shrink && n > 0:
		return l.remove(), source.Deleted
	case kind < l.leave && n > 0:
		key = l.remove()
		l.absent = append(l.absent, key)
		return key, source.Deleted
	case kind < l.come && len(l.absent) > 0, n == 0:
		key = take(l.rng, &l.absent)
		l.present = append(l.present, key)
		return key, source.Added
	default:
		return l.present[l.pick(l)], source.Modified
	}
}

// Len returns the number of present keys.
func (l *Life) Len() int { return len(l.present) }

// Numbers returns how many keys there have been so far, deleted ones and those
// of the start included: all numbers are below.
func (l *Life) Numbers() int { return int(l.numbers) }

// create makes the next number present.
func (l *Life) create() uint32 {
	key := l.numbers
	l.numbers++
	l.present = append(l.present, key)
	return key
}

// remove makes a present key, chosen evenly, absent.
func (l *Life) remove() uint32 {
	if !l.ordered {
		return take(l.rng, &l.present)
	}
	i := l.rng.IntN(len(l.present))
	key := l.present[i]
	l.present = slices.Delete(l.present, i, i+1)
	return key
}

// take removes a key, chosen evenly, and puts the last into its place.
func take(rng *rand.Rand, keys *[]uint32) uint32 {
	k := *keys
	i, last := rng.IntN(len(k)), len(k)-1
	key := k[i]
	k[i] = k[last]
	*keys = k[:last]
	return key
}

func (l *Life) pickUniform() int { return l.rng.IntN(len(l.present)) }

// pickHot splits the present keys into the first, which are hot, and the rest,
// each picked from evenly.
func (l *Life) pickHot() int {
	n := len(l.present)
	hot := min(max(1, int(math.Round(l.hot*float64(n)/100))), n)
	if hot == n || l.rng.Float64()*100 < l.skew {
		return l.rng.IntN(hot)
	}
	return hot + l.rng.IntN(n-hot)
}

// pickTurn strikes one place after the other, as heartbeats do: no key comes again
// before all others, but for those that come and go meanwhile.
func (l *Life) pickTurn() int {
	if l.turn >= len(l.present) {
		l.turn = 0
	}
	l.turn++
	return l.turn - 1
}

// pickZipf strikes place i, from 0, with a probability that is proportional to
// (i+1)^-skew. It inverts the distribution: a table of cumulative weights, of
// which it searches only as much as keys are present, so that one table is
// exact for any number of them.
//
// Rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate
// variates from monotone discrete distributions", ACM TOMACS 6(3), 1996) needs
// no table. It is not used because it takes exponentials and logarithms per
// draw, in formulas that compilers round differently from build to build, and
// because next to a load's objects 8 bytes per key are little. math/rand/v2's
// Zipf does not go below exponent 1, where real clusters are, and has one size.
func (l *Life) pickZipf() int {
	n := len(l.present)
	l.growWeights(n)
	return search(l.weights[:n], l.rng.Float64()*l.weights[n-1])
}

// pickRecent strikes the key that had the last event but i with the probability
// with which zipf strikes place i. The key moves to the end, so that an event
// takes longer the more keys are present.
func (l *Life) pickRecent() int {
	last := len(l.present) - 1
	place := last - l.pickZipf()
	key := l.present[place]
	copy(l.present[place:], l.present[place+1:])
	l.present[last] = key
	return last
}

// growWeights makes the table at least n long. weights[i] is the sum of the
// weights of the places 0 to i.
func (l *Life) growWeights(n int) {
	if n <= len(l.weights) {
		return
	}
	var sum float64
	if len(l.weights) > 0 {
		sum = l.weights[len(l.weights)-1]
	}
	l.weights = slices.Grow(l.weights, n-len(l.weights))
	for i := len(l.weights); i < n; i++ {
		sum += math.Pow(float64(i+1), -l.skew)
		l.weights = append(l.weights, sum)
	}
}

// search returns the first place whose sum is above x, which is less than the
// last sum.
func search(sums []float64, x float64) int {
	from := 0
	for n := len(sums); n > 1; {
		half := n / 2
		if sums[from+half-1] <= x {
			from += half
		}
		n -= half
	}
	return from
}

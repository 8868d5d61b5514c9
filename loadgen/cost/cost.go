package cost

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Cost is what a call of a handler costs.
type Cost struct {
	Mean time.Duration // of a call, at most MaxMean; 0 = nothing
	Law  string        // how costs are distributed: fixed, exponential or pareto
	Work string        // how a cost is spent: sleep, or spin on a processor
}

// MaxMean keeps the largest draw, millions of means, within a time.Duration.
const MaxMean = time.Minute

// shape is the exponent of the tail of pareto: a cost above x has a probability
// proportional to x^-shape. It is our choice. Measured tails are heavier: the
// processor time of Unix processes has about 1 (Harchol-Balter and Downey,
// "Exploiting process lifetime distributions for dynamic load balancing", ACM
// TOCS 15(3), 1997), the size of web files 1.1 to 1.3 (Crovella and Bestavros,
// "Self-similarity in World Wide Web traffic", IEEE/ACM ToN 5(6), 1997). But up
// to 2 there is no variance, and behind such costs no mean waiting time. With
// 2.2 the squared coefficient of variation is 1/(2.2 · 0.2), against 1 of
// exponential and 0 of fixed. Much of it comes from costs that runs of millions
// of calls rarely meet (TestPareto prints how much), so that means of waiting
// times come near to the formulas very slowly, and from below; quantiles do not
// suffer from that.
const shape = 2.2

// laws draw from distributions with mean 1, in the order of Laws.
var laws = []struct {
	name string
	draw func(*rand.Rand) float64
}{
	{"fixed", func(*rand.Rand) float64 { return 1 }},
	{"exponential", exponential},
	{"pareto", pareto},
}

// Laws returns the values of Cost.Law.
func Laws() (names []string) {
	for _, l := range laws {
		names = append(names, l.name)
	}
	return names
}

// exponential inverts the distribution. rand.ExpFloat64 is faster, but it
// decides by a sum of products that some builds fuse, so that these would draw
// other costs.
func exponential(rng *rand.Rand) float64 { return -math.Log(1 - rng.Float64()) }

// pareto is a power of an even draw, scaled from the smallest cost.
func pareto(rng *rand.Rand) float64 {
	const smallest = (shape - 1) / shape
	return smallest * math.Pow(1-rng.Float64(), -1/shape)
}

// Check returns an error that names the first option that is wrong, cost, costs
// or work, and says what is expected, or nil.
func (c Cost) Check() error {
	switch {
	case c.Mean < 0 || c.Mean > MaxMean:
		return fmt.Errorf("cost: cost=%v: expected 0s to %v", c.Mean, MaxMean)
	case !slices.Contains(Laws(), c.Law):
		return fmt.Errorf("cost: costs=%q: expected fixed, exponential or pareto", c.Law)
	case !slices.Contains(Works(), c.Work):
		return fmt.Errorf("cost: work=%q: expected sleep or spin", c.Work)
	}
	return nil
}

// String returns the options as a label: "cost=1ms,costs=pareto,work=spin".
func (c Cost) String() string {
	return fmt.Sprintf("cost=%v,costs=%s,work=%s", c.Mean, c.Law, c.Work)
}

// A Spender draws the costs of one handler and spends them. One goroutine at a
// time uses it.
type Spender struct {
	mean time.Duration
	rng  *rand.Rand
	law  func(*rand.Rand) float64
	work func(*Spender, time.Duration)

	owed  time.Duration // still to sleep; negative after having overslept
	sleep func(time.Duration)
	pace  float64 // rounds of the loop that take a nanosecond
	state uint64  // of the loop
}

// works are the ways to spend a cost, in the order of Works.
var works = []struct {
	name  string
	spend func(*Spender, time.Duration)
}{
	{"sleep", (*Spender).doze},
	{"spin", (*Spender).spin},
}

// Works returns the values of Cost.Work.
func Works() (names []string) {
	for _, w := range works {
		names = append(names, w.name)
	}
	return names
}

// stream sets the draws of costs apart from others that are made with the same
// seed, such as those of keys. It spells cost.
const stream = 0x636f7374

// Begin returns a spender whose draws depend on the seed alone. Handlers that
// shall not cost the same at the same time need seeds of their own. It panics if
// Check fails. The first that spins in a process measures how fast the processor
// is, which takes about a millisecond.
func (c Cost) Begin(seed uint64) *Spender {
	if err := c.Check(); err != nil {
		panic(err)
	}
	s := &Spender{
		mean: c.Mean, rng: rand.New(rand.NewPCG(seed, stream)),
		law:   laws[slices.Index(Laws(), c.Law)].draw,
		work:  works[slices.Index(Works(), c.Work)].spend,
		sleep: time.Sleep, state: 1,
	}
	if c.Work == "spin" {
		s.pace = pace()
	}
	return s
}

// Next draws the next cost without spending it.
func (s *Spender) Next() time.Duration {
	return time.Duration(math.Round(float64(s.mean) * s.law(s.rng)))
}

// Spend draws the next cost, spends it, and returns it.
func (s *Spender) Spend() time.Duration {
	d := s.Next()
	if d > 0 {
		s.work(s, d)
	}
	return d
}

// doze sleeps for what is owed. A real sleep is never short but always late, in
// an idle process by up to a millisecond (golang/go#44343), so it keeps count:
// if it overslept, the next costs are paid until that is used up. Each sleep is
// for exactly what is owed, not collected up to some granule, because in
// simulated time no sleep is late and each then takes exactly its cost.
func (s *Spender) doze(d time.Duration) {
	s.owed += d
	if s.owed <= 0 {
		return
	}
	before := time.Now()
	s.sleep(s.owed)
	s.owed -= time.Since(before)
}

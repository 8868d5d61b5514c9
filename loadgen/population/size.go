package population

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Sizes far above what etcd takes by default, and a spread far above that of
// real objects.
const (
	maxSize  = 10 << 20
	maxSigma = 4
)

// Sizes is a lognormal distribution of object sizes in bytes, which is skewed
// as sizes are: most are small, a few are many times the mean. Sizes are drawn
// anew for each state of an object, while those of a real object drift slowly.
type Sizes struct {
	Mean  int     // 0 = all sizes are 0; at most 10 MiB
	Sigma float64 // of the natural logarithm, at most 4; 0 = all sizes are Mean
}

// Check returns an error that names the option, size or sigma, that is out of
// its range and says what is expected, or nil.
func (s Sizes) Check() error {
	if s.Mean < 0 || s.Mean > maxSize {
		return fmt.Errorf("population: size=%d: expected 0 to %d bytes", s.Mean, maxSize)
	}
	if !(s.Sigma >= 0 && s.Sigma <= maxSigma) {
		return fmt.Errorf("population: sigma=%v: expected a number from 0 to %d", s.Sigma, maxSigma)
	}
	return nil
}

// String returns the options as a label: "size=4096,sigma=0.5".
func (s Sizes) String() string { return fmt.Sprintf("size=%d,sigma=%v", s.Mean, s.Sigma) }

// Draw returns the size of one object state: at least 1 byte and at most 10 MiB
// unless Mean is 0.
//
// The bounds move the mean. With c = 10 MiB, m = Mean, s = Sigma and Φ the
// normal distribution function, the cap alone makes it
//
//	m·Φ(ln(c/m)/s − s/2) + c·Φ(−ln(c/m)/s − s/2)
//
// which is next to m unless m is near to c or s is large. The floor of 1 byte
// raises the mean where m is a few bytes or s is large.
func (s Sizes) Draw(rng *rand.Rand) int {
	if s.Mean == 0 || s.Sigma == 0 {
		return s.Mean
	}
	// Products are converted on their own so that no build fuses them into the
	// additions, which would round differently.
	exponent := float64(s.Sigma*normal(rng)) - float64(s.Sigma*s.Sigma)/2
	return int(math.Round(min(max(1, float64(s.Mean)*math.Exp(exponent)), maxSize)))
}

// normal draws from the standard normal distribution by the polar method
// (Marsaglia and Bray, "A convenient method for generating normal variables",
// SIAM Review 6, 1964). rand.NormFloat64 is faster, but it decides by a sum of
// products that some builds fuse, so that these would draw other sizes.
func normal(rng *rand.Rand) float64 {
	for {
		x, y := 2*rng.Float64()-1, 2*rng.Float64()-1
		if q := float64(x*x) + float64(y*y); q > 0 && q < 1 {
			return x * math.Sqrt(-2*math.Log(q)/q)
		}
	}
}

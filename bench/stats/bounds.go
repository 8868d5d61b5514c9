package stats

import "math"

// Bounds is the difference of two arms in one block as far as it is known: the log
// ratio, as LogRatio defines it, lies between Low and High. They are equal where
// both arms are known exactly.
type Bounds struct{ Low, High float64 }

// BoundsOf returns the bounds of one block from those of each arm, round by round:
// head is at least headLow and at most headHigh. With exact bounds, both are
// LogRatio(base, head). A block without a round left has NaN for both.
func BoundsOf(baseLow, baseHigh, headLow, headHigh []float64) Bounds {
	return Bounds{LogRatio(baseHigh, headLow), LogRatio(baseLow, headHigh)}
}

// CompareBounds is Compare of blocks of which bounds are known. Judge takes its
// result as that of Compare, which it equals where all bounds are exact:
//
//	Mean              of the nearer bounds: of the low ones if that is above 0, of the
//	                  high ones if that is below 0, else 0
//	Low, Low90, …     of the low bounds
//	High, High90, …   of the high bounds
//	PSlower, PFaster  of the low bounds, of the high bounds
//	SD, MDE           the larger ones
//
// So head is Slower if it would be with every block at its low bound, Equivalent
// if nothing between the bounds is beyond the floor. It leaves out blocks of which a
// bound is NaN or infinite.
//
// Note: the side is chosen for all blocks together. To choose the nearer bound in each
// block favours the arm that is known exactly: noise towards the other one
// disappears within the bounds, noise towards itself does not.
func CompareBounds(blocks []Bounds) Estimate {
	var lows, highs []float64
	exact := true
	for _, b := range blocks {
		if spread := b.High - b.Low; math.IsNaN(spread) || math.IsInf(spread, 0) || math.IsInf(b.Low, 0) {
			continue
		}
		lows, highs = append(lows, b.Low), append(highs, b.High)
		exact = exact && b.Low == b.High
	}
	low := Compare(lows)
	if exact {
		return low
	}
	high := Compare(highs)
	e := Estimate{
		Blocks: low.Blocks, Mean: max(low.Mean, min(high.Mean, 0)), SD: max(low.SD, high.SD),
		Low: low.Low, High: high.High, Low90: low.Low90, High90: high.High90,
		BootLow: low.BootLow, BootHigh: high.BootHigh,
		PSlower: low.PSlower, PFaster: high.PFaster, MDE: max(low.MDE, high.MDE),
	}
	return e
}

package arrival

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exactly returns floor(a/b x 10⁹) in whole numbers: a seconds by b in
// nanoseconds.
func exactly(a, b float64) int64 {
	x := new(big.Rat).Quo(new(big.Rat).SetFloat64(a*1e9), new(big.Rat).SetFloat64(b))
	return new(big.Int).Quo(x.Num(), x.Denom()).Int64()
}

func TestConstant(t *testing.T) {
	for _, rate := range []float64{3, 7777.7, 20_000, 1.0 / 3, maxRate} {
		c := Constant{rate}
		times := draw(t, c, million)
		assert.Zero(t, times[0], c)
		gap := 1e9 / rate
		for i, due := range times {
			if i%1000 == 999 {
				require.InDelta(t, exactly(float64(i), rate), int64(due), 1, "%v: time %d", c, i)
			}
			if i > 0 && math.Abs(float64(due-times[i-1])-gap) > 1.001 {
				require.InDelta(t, gap, float64(due-times[i-1]), 1.001, "%v: gap %d", c, i)
			}
		}
	}
}

// Relist has no chance in it, so all moments follow from the sizes of batches.
func TestRelist(t *testing.T) {
	for _, r := range []Relist{
		{20_000, 500 * time.Millisecond}, {5, 500 * time.Millisecond}, {0.75, time.Second},
		{1000. / 3, 10 * time.Millisecond}, {maxRate, time.Nanosecond},
	} {
		size := r.PerSecond * r.Period.Seconds()
		times := draw(t, r, million)
		assert.Equal(t, r.Period, times[0], "what is listed at the start is no event")
		for i, due := range times {
			batch := float64(due / r.Period)
			// Event i belongs to the batch before which at most i events were due, and
			// after which more; 2.0000000000000004 events are 2.
			if due%r.Period != 0 || (batch-1)*size > float64(i)*(1+1e-15) || batch*size*(1+1e-15) <= float64(i) {
				require.FailNow(t, "wrong batch", "%v: event %d at %v", r, i, due)
			}
		}
	}
}

func TestRecorded(t *testing.T) {
	times := []time.Duration{5, 1005, 1005, 7777, 123_455}
	asRecorded, err := NewRecorded(times, 0)
	require.NoError(t, err)
	times[0] = 77 // the process has its own
	assert.InDelta(t, 4/123_450e-9, asRecorded.Rate(), 1e-6)
	assert.Equal(t, []time.Duration{
		0, 1000, 1000, 7772, 123_450,
		154_312, 155_312, 155_312, 162_084, 277_762, // the mean gap is 30862.5
		308_625,
	}, draw(t, asRecorded, 11))

	half, err := NewRecorded([]time.Duration{5, 1005, 1005, 7777, 123_455}, asRecorded.Rate()/2)
	require.NoError(t, err)
	assert.Equal(t, []time.Duration{0, 2000, 2000, 15_544, 246_900, 308_625, 310_625}, draw(t, half, 7))
}

// A stretched trace has the moments of the recorded one, and the rate asked for.
func TestRecordedStatistics(t *testing.T) {
	const n = 10_000
	trace := draw(t, Bursts{1000, 10, 50 * time.Millisecond}, n)
	r, err := NewRecorded(trace, 7777.7)
	require.NoError(t, err)
	times := draw(t, r, million+1)
	assert.InDelta(t, exactly(million, 7777.7), int64(times[million]), 1, "a hundred rounds")
	span := float64(trace[n-1] - trace[0])
	stretch := (n - 1) / span * 1e9 / 7777.7
	for i, due := range times {
		recorded := (float64(trace[i%n]-trace[0]) + float64(i/n)*span*n/(n-1)) * stretch
		if math.Abs(float64(due)-recorded) > 1.001 {
			require.InDelta(t, recorded, float64(due), 1.001, "time %d", i)
		}
	}
}

func TestRecordedRefuses(t *testing.T) {
	for want, times := range map[string][]time.Duration{
		"0 times: expected 2 or more":                              nil,
		"1 times: expected 2 or more":                              {1},
		"all times are 5ns: expected two that differ":              {5, 5, 5},
		"time 0 is -1ns: expected 0 to 1281023h53m38.427387904s":   {-1, 5},
		"time 2 is 4ns: expected no less than the one before, 5ns": {1, 5, 4, 3},
		"time 1 is 2562047h47m16.854775807s: expected 0 to 1281023h53m38.427387904s": {
			1, math.MaxInt64},
	} {
		_, err := New("recorded", Options{Times: times})
		assert.EqualError(t, err, "arrival: recorded: "+want)
	}
	_, err := NewRecorded([]time.Duration{1, 2}, -1)
	assert.EqualError(t, err, "arrival: recorded: rate=-1: expected more than 0 and at most 10000000 events per second")
}

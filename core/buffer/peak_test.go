package buffer_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
)

func TestPeakOfMany(t *testing.T) {
	var p buffer.Peak
	assert.Zero(t, p.Most())
	var lookers sync.WaitGroup
	for k := range 4 {
		lookers.Go(func() {
			for n := range 1000 {
				p.See(4*n + k)
				assert.GreaterOrEqual(t, p.Most(), 4*n+k)
			}
		})
	}
	lookers.Wait()
	p.See(7)
	assert.Equal(t, 3999, p.Most())
}

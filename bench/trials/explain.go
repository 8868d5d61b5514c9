package trials

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"informerlab/bench/flame"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// An explanation is what was measured of one mutant.
type explanation struct {
	*Mutant
	CPU, Wall float64       // time an event, mutant over base: the median over blocks
	Top       []flame.Frame // what grew most, means for one run
	Rank      int           // of the first guilty function among those, from 1; 0 = it is not there
	Took      time.Duration // to build and measure
}

const (
	// least is the ratio from which on a mutant counts as slower: there is
	// nothing to explain of one that costs nothing on this machine.
	least = 1.05
	// places is how far down the list of a differential page a reader looks,
	// and listed how long it is here.
	places, listed = 3, 10
)

// Slower reports whether the mutant costs more than the base.
func (f *explanation) Slower() bool { return max(f.CPU, f.Wall) >= least }

// Explained reports whether a guilty function is among the first three.
func (f *explanation) Explained() bool { return f.Rank > 0 && f.Rank <= places }

// sampleTypes are what is compared, by kind of profile.
var sampleTypes = map[string]string{
	worker.CPUProfile: "cpu", worker.HeapProfile: "alloc_space", worker.MutexProfile: "delay",
}

// explain measures one mutant against the program base. folder is for what is
// built and profiled.
func explain(ctx context.Context, base, folder string, m *Mutant, o *Mutants) (*explanation, error) {
	began := time.Now()
	mutant, err := buildMutant(ctx, o.Root, folder, m)
	if err != nil {
		return nil, err
	}
	sides := [2]*mutantSide{{name: "base", program: base}, {name: "head", program: mutant}}
	for block := range o.Blocks {
		for i := range sides {
			s := sides[(block+i)%2] // either goes first in half of the blocks
			prefix := filepath.Join(folder, fmt.Sprintf("%s.%s.%d", m.Name, s.name, block))
			results, err := measureMutant(ctx, s.program, m, prefix, o)
			if err != nil {
				return nil, err
			}
			if err := s.add(results, prefix+"."+m.Kind+worker.ProfileSuffix); err != nil {
				return nil, err
			}
		}
	}
	cpu, wall := medianRatio(sides[1].cpu, sides[0].cpu), medianRatio(sides[1].wall, sides[0].wall)
	f := &explanation{Mutant: m, CPU: cpu, Wall: wall}
	err = f.rank(sides[1], sides[0])
	f.Took = time.Since(began)
	return f, err
}

// A mutantSide is what was measured of one program.
type mutantSide struct {
	name, program string
	cpu, wall     []float64 // ns an event, by block
	profiles      []*profile.Profile
}

func (s *mutantSide) add(results []*worker.Result, path string) error {
	var cpu, wall []float64
	for _, r := range results {
		cpu = append(cpu, float64(r.CPUNS)/float64(r.Events))
		wall = append(wall, float64(r.WallNS)/float64(r.Events))
	}
	s.cpu, s.wall = append(s.cpu, stats.Median(cpu)), append(s.wall, stats.Median(wall))
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return fmt.Errorf("mutants: %s: %w", path, err)
	}
	s.profiles = append(s.profiles, p)
	return nil
}

// mean returns the mean of the profiles of all blocks.
func (s *mutantSide) mean() (*profile.Profile, error) {
	p, err := profile.Merge(s.profiles)
	if err != nil {
		return nil, fmt.Errorf("mutants: merge profiles: %w", err)
	}
	p.Scale(1 / float64(len(s.profiles)))
	return p, nil
}

// rank looks for the guilty among what grew most.
func (f *explanation) rank(head, base *mutantSide) error {
	after, err := head.mean()
	if err != nil {
		return err
	}
	before, err := base.mean()
	if err != nil {
		return err
	}
	if f.Top, _, err = flame.Top(after, before, sampleTypes[f.Kind], listed); err != nil {
		return err
	}
	f.Rank = 1 + slices.IndexFunc(f.Top, func(grown flame.Frame) bool {
		return slices.Contains(f.Guilty, strings.TrimPrefix(grown.Function, module))
	})
	return nil
}

// medianRatio returns the median over blocks of head over base.
func medianRatio(head, base []float64) float64 {
	all := make([]float64, len(head))
	for i := range head {
		all[i] = head[i] / base[i]
	}
	return stats.Median(all)
}

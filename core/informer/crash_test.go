package informer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/source"
)

// crashScene names, in the environment, what a child process of this test plays.
const crashScene = "INFORMERLAB_CRASH_SCENE"

// playCrash is the child: it must not return.
func playCrash(scene string) {
	server := source.NewServer(source.ServerOptions{})
	var o informer.Options
	handler := informer.Funcs{}
	switch scene {
	case "handler":
		handler.Add = func(event.Object) { panic("the handler's own words") }
	case "reflector":
		o.Transform = func(event.Object) (event.Object, error) {
			panic("the transform's own words")
		}
	case "controller":
		handler.Add = func(event.Object) { select {} } // a stuck handler must not hold up the crash
		o.Indexers = map[string]indexer.IndexFunc{"bad": func(o event.Object, dst []string) ([]string, error) {
			if o.GetName() == "late" {
				return nil, errors.New("the index function's own words")
			}
			return dst, nil
		}}
		time.AfterFunc(100*time.Millisecond, func() {
			_, _ = server.Create(&source.Item{Namespace: "n", Name: "late"})
		})
	case "mutation":
		var l lookout
		o.Mutation = l.detector()
		o.Mutation.OnMutation, o.Mutation.Period = nil, time.Millisecond
		handler.Add = func(o event.Object) { l.paint(o, "vandalised") }
	}
	if _, err := server.Create(&source.Item{Namespace: "n", Name: "a"}); err != nil {
		os.Exit(3)
	}
	i := informer.New(server, o)
	if _, err := i.AddHandler(handler, informer.HandlerOptions{}); err != nil {
		os.Exit(3)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_ = i.Run(ctx)
}

// With the zero policy a panic ends the process, as in client-go. The words of
// the panic must survive, and no deferred wait may swallow it.
func TestPanicsEndTheProcessByDefault(t *testing.T) {
	for scene, words := range map[string]string{
		"handler":    "the handler's own words",
		"reflector":  "the transform's own words",
		"controller": "the index function's own words",
		"mutation":   "cached object n/a was changed",
	} {
		t.Run(scene, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			require.NoError(t, err)
			began := time.Now()
			child := exec.Command(self)
			child.Env = append(os.Environ(), crashScene+"="+scene)
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			assert.NotEqual(t, 3, exit.ExitCode(), "%s", out)
			assert.Contains(t, string(out), words)
			assert.Less(t, time.Since(began), time.Minute, "it ended with the context, not with the panic")
		})
	}
}

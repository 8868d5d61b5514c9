package informer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

// crashScene names, in the environment, what a child process of this test plays:
// one of hooks, perhaps after "inline ", or "mutation".
const crashScene = "INFORMERLAB_CRASH_SCENE"

// playCrash is the child: it must not return.
func playCrash(scene string) {
	server := source.NewServer(source.ServerOptions{Streaming: source.StreamingRefused})
	for _, name := range []string{"a", "b"} {
		if _, err := server.Create(&source.Item{Namespace: "n", Name: name}); err != nil {
			os.Exit(3)
		}
	}
	if strings.HasSuffix(scene, "watch error") {
		server.NextLists(1, source.Fault{Err: errors.New("refused")})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var o informer.Options
	var handler informer.DetailedFuncs
	hook, inline := strings.CutPrefix(scene, "inline ")
	if scene == "mutation" {
		var l lookout
		o.Mutation = l.detector()
		o.Mutation.OnMutation, o.Mutation.Period = nil, time.Millisecond
		handler.Add = func(o event.Object, _ bool) { l.paint(o, "vandalised") }
	} else {
		hooks[hook](&o, &handler, explodeFor("b"))
	}
	if inline {
		_ = informer.NewInline(server, handler, o).Run(ctx)
		return
	}
	i := informer.New(server, o)
	stuck := informer.Funcs{Add: func(event.Object) { select {} }} // must not hold up the crash
	for _, h := range []informer.Handler{stuck, handler} {
		if _, err := i.AddHandler(h, informer.HandlerOptions{}); err != nil {
			os.Exit(3)
		}
	}
	_ = i.Run(ctx)
}

// With the zero policy a panic ends the process, as in client-go, whichever hook it
// is in. The words and the stack of the panic must survive, and no deferred wait may
// swallow it.
func TestPanicsEndTheProcessByDefault(t *testing.T) {
	scenes := map[string]string{"mutation": "cached object n/a was changed"}
	for hook := range hooks {
		scenes[hook] = "the hook's own words"
	}
	for _, hook := range []string{"transform", "accept", "index", "watch error", "process error", "handler"} {
		scenes["inline "+hook] = "the hook's own words"
	}
	for scene, words := range scenes {
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
			if scene != "mutation" {
				assert.Contains(t, string(out), "explodeFor", "the stack of the panic")
			}
			assert.Less(t, time.Since(began), time.Minute, "it ended with the context, not with the panic")
		})
	}
}

package informer_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/source"
)

// A cluster is a server per resource and a factory over them.
type cluster struct {
	servers map[string]*source.Server
	opened  []string
	factory *informer.Factory
}

func newCluster(o informer.FactoryOptions, resources ...string) *cluster {
	c := &cluster{servers: map[string]*source.Server{}}
	for _, r := range resources {
		c.servers[r] = source.NewServer(source.ServerOptions{})
	}
	o.Open = func(resource string) source.Source {
		c.opened = append(c.opened, resource)
		return c.servers[resource]
	}
	if o.Defaults.Logger == nil {
		o.Defaults.Logger = slog.New(slog.DiscardHandler)
	}
	c.factory = informer.NewFactory(o)
	return c
}

func TestAFactorySharesInformers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(informer.FactoryOptions{}, "pods", "nodes")
		pods := c.factory.For("pods")
		assert.Same(t, pods, c.factory.For("pods"))
		assert.NotSame(t, pods, c.factory.For("nodes"))
		assert.Equal(t, []string{"pods", "nodes"}, c.opened, "opened once each, and before the start")
		assert.False(t, pods.Started())
	})
}

func TestAFactoryStartsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		defaults := informer.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		c := newCluster(informer.FactoryOptions{Defaults: defaults}, "pods", "nodes", "never")
		ctx, cancel := context.WithCancel(t.Context())
		pods := c.factory.For("pods")
		assert.Empty(t, c.factory.WaitForSync(ctx), "none is started")
		c.factory.Start(ctx)
		c.factory.Start(ctx)
		assert.Equal(t, map[string]bool{"pods": true}, c.factory.WaitForSync(ctx))
		nodes := c.factory.For("nodes")
		assert.Equal(t, map[string]bool{"pods": true}, c.factory.WaitForSync(ctx), "nodes is not started")
		c.factory.Start(ctx)
		assert.Equal(t, map[string]bool{"pods": true, "nodes": true}, c.factory.WaitForSync(ctx))
		cancel()
		c.factory.Shutdown()
		assert.True(t, pods.Stopped())
		assert.True(t, nodes.Stopped())
		never := c.factory.For("never")
		c.factory.Start(t.Context())
		synctest.Wait()
		assert.False(t, never.Started(), "nothing starts after Shutdown")
		c.factory.Shutdown()
		assert.Empty(t, log.String(), "an informer started twice would be warned of")
	})
}

func TestAFactoryWaitsForWhatItStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(informer.FactoryOptions{}, "pods", "nodes")
		c.servers["nodes"].HoldBookmarks(true)
		gate := make(chan struct{})
		_, err := c.servers["pods"].Create(&source.Item{Namespace: "n", Name: "a"})
		require.NoError(t, err)
		_, err = c.factory.For("pods").AddHandler(
			informer.Funcs{Add: func(event.Object) { <-gate }}, informer.HandlerOptions{})
		require.NoError(t, err)
		c.factory.For("nodes")
		ctx, cancel := context.WithCancel(t.Context())
		c.factory.Start(ctx)
		waiting, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		assert.Equal(t, map[string]bool{"pods": true, "nodes": false}, c.factory.WaitForSync(waiting))
		cancel()
		down := make(chan struct{})
		go func() {
			defer close(down)
			c.factory.Shutdown()
		}()
		synctest.Wait()
		assert.False(t, isClosed(down), "a handler is still busy")
		close(gate)
		<-down
	})
}

func TestAFactoryToleratesAnInformerThatRunsAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		defaults := informer.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		c := newCluster(informer.FactoryOptions{Defaults: defaults}, "pods")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, c.factory.For("pods").Run(ctx)) })
		synctest.Wait()
		c.factory.Start(ctx)
		assert.Equal(t, map[string]bool{"pods": true}, c.factory.WaitForSync(ctx))
		cancel()
		running.Wait()
		c.factory.Shutdown()
		assert.Contains(t, log.String(), "informer: run: already started")
	})
}

func TestFactoryOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(informer.FactoryOptions{
			Defaults: informer.Options{Resync: time.Minute},
			Resync:   map[string]time.Duration{"nodes": time.Hour},
			Tweak: func(resource string, o *informer.Options) {
				assert.Equal(t, resource, o.Name)
				if resource == "events" {
					o.Resync = 0
				}
			},
		}, "pods", "nodes", "events")
		for resource, want := range map[string]time.Duration{"pods": time.Minute, "nodes": time.Hour, "events": 0} {
			reg, err := c.factory.For(resource).AddHandler(informer.Funcs{}, informer.HandlerOptions{})
			require.NoError(t, err)
			assert.Equal(t, want, reg.Resync(), resource)
		}
	})
}

func TestListers(t *testing.T) {
	for name, indexers := range map[string]map[string]indexer.IndexFunc{
		"with namespace index":    {indexer.NamespaceIndex: indexer.ByNamespace},
		"without namespace index": nil,
	} {
		t.Run(name, func(t *testing.T) {
			x := indexer.New(indexers)
			for _, key := range []string{"m/a", "m/b", "n/a", "cluster"} {
				k, err := event.ParseKey(key)
				require.NoError(t, err)
				x.Add(&source.Item{Namespace: k.Namespace, Name: k.Name, Value: key})
			}
			x.Add(&source.Item{Namespace: "m", Name: "c", Value: "c"})
			lister := informer.NewLister[*source.Item](x)
			assert.Equal(t, "cluster m/a m/b m/c n/a", listed(lister.List(nil)))
			assert.Equal(t, "m/a m/b m/c", listed(lister.Namespace("m").List(nil)))
			assert.Equal(t, "cluster", listed(lister.Namespace("").List(nil)), "what has no namespace")
			assert.Empty(t, lister.Namespace("unknown").List(nil))
			long := func(i *source.Item) bool { return len(i.Value) == 3 }
			assert.Equal(t, "m/a m/b", listed(lister.Namespace("m").List(long)))

			got, ok := lister.Namespace("m").Get("b")
			require.True(t, ok)
			assert.Equal(t, "m/b", got.Value)
			got, ok = lister.Get("cluster")
			require.True(t, ok)
			assert.Equal(t, "cluster", got.Value)
			_, ok = lister.Get("b")
			assert.False(t, ok, "a name alone is that of a cluster-scoped object")
			_, ok = lister.GetKey(event.Key{Namespace: "n", Name: "a"})
			assert.True(t, ok)
			_, ok = lister.Namespace("m").GetKey(event.Key{Namespace: "n", Name: "a"})
			assert.False(t, ok, "another namespace")
			_, ok = lister.Namespace("m").Get("unknown")
			assert.False(t, ok)
		})
	}
}

func TestAListerOfTheWrongTypePanics(t *testing.T) {
	x := indexer.New(nil)
	x.Add(event.Tombstone{Namespace: "n", Name: "a"})
	lister := informer.NewLister[*source.Item](x)
	assert.PanicsWithValue(t, "informer: lister of *source.Item: the cache holds a event.Tombstone under n/a",
		func() { lister.Namespace("n").Get("a") })
	assert.Panics(t, func() { lister.List(nil) })
}

// listed returns the keys of objects, sorted, in one line.
func listed(items []*source.Item) string {
	keys := []string{}
	for _, item := range items {
		keys = append(keys, event.KeyOf(item).String())
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

package informer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/source"
	"informerlab/core/workqueue"
)

// A Foo asks for a Deployment of its own name with so many replicas.
type Foo struct {
	Namespace, Name, ResourceVersion string
	Replicas                         int
}

// A Deployment belongs to the Foo whose name it bears as owner.
type Deployment struct {
	Namespace, Name, ResourceVersion string
	Owner                            string
	Replicas                         int
}

func (f *Foo) GetNamespace() string              { return f.Namespace }
func (f *Foo) GetName() string                   { return f.Name }
func (f *Foo) GetResourceVersion() string        { return f.ResourceVersion }
func (d *Deployment) GetNamespace() string       { return d.Namespace }
func (d *Deployment) GetName() string            { return d.Name }
func (d *Deployment) GetResourceVersion() string { return d.ResourceVersion }

// A FooController keeps a Deployment for each Foo, in the shape of
// kubernetes/sample-controller:
//
//	Foos ────────▶ handler ──┐ keys of Foos
//	                         ├──────────────▶ work queue ──▶ workers ──▶ API
//	Deployments ─▶ handler ──┘ of their owners                 └── read the caches
//
// Handlers only enqueue keys. Workers read caches, never the API, and make the
// world look as the Foo says, whatever it was that happened: edge-triggered, but
// level-driven.
type FooController struct {
	foos        informer.Lister[*Foo]
	deployments informer.Lister[*Deployment]
	synced      []informer.Syncer
	queue       *workqueue.RateLimiting[event.Key]
	api         DeploymentAPI
	report      func(format string, args ...any)
}

// DeploymentAPI is where a controller writes.
type DeploymentAPI interface {
	Create(event.Object) (event.Object, error)
	Update(event.Object) (event.Object, error)
}

// NewFooController registers its handlers with the informers of the factory,
// which must not have started.
func NewFooController(f *informer.Factory, api DeploymentAPI, report func(string, ...any)) (*FooController, error) {
	foos, deployments := f.For("foos"), f.For("deployments")
	c := &FooController{
		foos:        informer.NewLister[*Foo](foos.Indexer()),
		deployments: informer.NewLister[*Deployment](deployments.Indexer()),
		queue: workqueue.NewRateLimiting(workqueue.NewExponential[event.Key](time.Millisecond, time.Second),
			workqueue.Options{}),
		api: api, report: report,
	}
	_, errFoos := foos.AddHandler(informer.Funcs{
		Add:    func(o event.Object) { c.queue.Add(event.KeyOf(o)) },
		Update: func(_, o event.Object) { c.queue.Add(event.KeyOf(o)) },
		Delete: func(o event.Object) { c.report("foo %s is gone", event.KeyOf(o)) },
	}, informer.HandlerOptions{})
	_, errDeployments := deployments.AddHandler(informer.DetailedFuncs{
		Add: func(o event.Object, _ bool) { c.enqueueOwner(o) },
		Update: func(old, o event.Object) {
			if old.GetResourceVersion() != o.GetResourceVersion() { // otherwise a resync: nothing new
				c.enqueueOwner(o)
			}
		},
		Delete: func(o event.Object, _ bool) { c.enqueueOwner(o) },
	}, informer.HandlerOptions{})
	c.synced = []informer.Syncer{foos, deployments}
	return c, errors.Join(errFoos, errDeployments)
}

// enqueueOwner enqueues the Foo that owns a Deployment. Of one whose deletion
// was missed there may be a stale last state, which will do, or none at all:
// then its owner is found by the next resync.
func (c *FooController) enqueueOwner(o event.Object) {
	d, ok := o.(*Deployment)
	if !ok {
		return
	}
	c.report("deployment %s is at %d replicas", event.KeyOf(d), d.Replicas)
	owner := event.Key{Namespace: d.Namespace, Name: d.Owner}
	if _, exists := c.foos.GetKey(owner); !exists {
		c.report("deployment %s has lost its owner", event.KeyOf(d))
		return
	}
	c.queue.Add(owner)
}

// Run works until ctx ends, and then finishes what it has in hand.
func (c *FooController) Run(ctx context.Context, workers int) error {
	if !informer.WaitForSync(ctx, c.synced...) {
		return errors.New("foo controller: stopped before the caches synced")
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for c.work() {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDownWithDrain()
	running.Wait()
	return nil
}

// work takes one key off the queue. It returns false when the queue is shut down.
func (c *FooController) work() bool {
	key, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(key)
	if err := c.sync(key); err != nil {
		c.report("foo %s: %v, try again", key, err)
		c.queue.AddRateLimited(key) // later and later, until it works
		return true
	}
	c.queue.Forget(key)
	return true
}

// sync makes the Deployment of one Foo what the Foo says.
func (c *FooController) sync(key event.Key) error {
	foo, exists := c.foos.GetKey(key)
	if !exists {
		return nil // deleted since: nothing to be done any more, so no error
	}
	d, exists := c.deployments.GetKey(key)
	switch {
	case !exists:
		_, err := c.api.Create(&Deployment{
			Namespace: foo.Namespace, Name: foo.Name, Owner: foo.Name, Replicas: foo.Replicas,
		})
		return err
	case d.Owner != foo.Name:
		return fmt.Errorf("deployment %s is not controlled by it", key)
	case d.Replicas != foo.Replicas:
		newer := *d // the cached one is not ours to change
		newer.Replicas, newer.ResourceVersion = foo.Replicas, ""
		_, err := c.api.Update(&newer)
		return err
	}
	return nil
}

// A busyAPI refuses the first creation.
type busyAPI struct {
	*source.Server
	once sync.Once
}

func (a *busyAPI) Create(o event.Object) (created event.Object, err error) {
	a.once.Do(func() { err = errors.New("the API is busy") })
	if err != nil {
		return nil, err
	}
	return a.Server.Create(o)
}

// stamp gives versions to the objects of this example.
func stamp(o event.Object, version string) event.Object {
	switch o := o.(type) {
	case *Foo:
		stamped := *o
		stamped.ResourceVersion = version
		return &stamped
	case *Deployment:
		stamped := *o
		stamped.ResourceVersion = version
		return &stamped
	}
	return nil
}

// A controller reacts to changes of what it is asked for and of what it made:
// informers, handlers, a work queue, and workers that read the caches.
func Example_controller() {
	foos := source.NewServer(source.ServerOptions{Stamp: stamp})
	deployments := source.NewServer(source.ServerOptions{Stamp: stamp})
	factory := informer.NewFactory(informer.FactoryOptions{
		Open: func(resource string) source.Source {
			return map[string]source.Source{"foos": foos, "deployments": deployments}[resource]
		},
		Defaults: informer.Options{
			Resync:   30 * time.Second,
			Indexers: map[string]indexer.IndexFunc{indexer.NamespaceIndex: indexer.ByNamespace},
		},
	})
	reports := make(chan string, 100)
	controller, err := NewFooController(factory, &busyAPI{Server: deployments}, func(format string, args ...any) {
		reports <- fmt.Sprintf(format, args...)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	factory.Start(ctx)
	ended := make(chan error)
	go func() { ended <- controller.Run(ctx, 2) }()

	await := func(want string) { // others may come between: what is said twice, and conflicts
		for r := range reports {
			if r == want {
				fmt.Println(r)
				return
			}
		}
	}
	key := event.Key{Namespace: "default", Name: "web"}
	foos.Create(&Foo{Namespace: "default", Name: "web", Replicas: 1})
	await("foo default/web: the API is busy, try again")
	await("deployment default/web is at 1 replicas")

	foos.Update(&Foo{Namespace: "default", Name: "web", Replicas: 3})
	await("deployment default/web is at 3 replicas")

	deployments.Update(&Deployment{Namespace: "default", Name: "web", Owner: "web", Replicas: 7}) // somebody meddles
	await("deployment default/web is at 7 replicas")
	await("deployment default/web is at 3 replicas")

	foos.Delete(key)
	await("foo default/web is gone")
	deployments.Delete(key)
	await("deployment default/web has lost its owner")

	stop()
	factory.Shutdown()
	fmt.Println("stopped:", <-ended)
	// Output:
	// foo default/web: the API is busy, try again
	// deployment default/web is at 1 replicas
	// deployment default/web is at 3 replicas
	// deployment default/web is at 7 replicas
	// deployment default/web is at 3 replicas
	// foo default/web is gone
	// deployment default/web has lost its owner
	// stopped: <nil>
}

package informer_test

import (
	"context"
	"fmt"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

// An informer follows a source and tells its handlers what changed.
func Example() {
	server := source.NewServer(source.ServerOptions{})
	server.Create(&source.Item{Namespace: "default", Name: "apple"})

	told := make(chan string)
	i := informer.New(server, informer.Options{Name: "fruit"})
	i.AddHandler(informer.DetailedFuncs{
		Add:    func(o event.Object, initial bool) { told <- fmt.Sprintf("add %s, initial: %t", o.GetName(), initial) },
		Delete: func(o event.Object, _ bool) { told <- "delete " + o.GetName() },
	}, informer.HandlerOptions{})

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- i.Run(ctx) }()

	fmt.Println(<-told)
	server.Create(&source.Item{Namespace: "default", Name: "banana"})
	fmt.Println(<-told)
	server.Delete(event.Key{Namespace: "default", Name: "apple"})
	fmt.Println(<-told)
	fmt.Println("cached:", i.Indexer().Keys())

	cancel()
	fmt.Println(<-ended)
	// Output:
	// add apple, initial: true
	// add banana, initial: false
	// delete apple
	// cached: [default/banana]
	// <nil>
}

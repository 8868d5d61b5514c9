package buffer_test
import ("testing";"sync/atomic";"informerlab/core/buffer")
type lring struct{ data []any; n, beg, readable int }
func (r *lring) read() (any,bool){ if r.readable==0 {return nil,false}; r.readable--; e:=r.data[r.beg]; r.data[r.beg]=nil; if r.beg==r.n-1 {r.beg=0} else {r.beg++}; return e,true }
func (r *lring) write(d any){ if r.readable==r.n { nd:=make([]any,r.n*2); k:=copy(nd,r.data[r.beg:]); copy(nd[k:],r.data[:r.beg]); r.beg=0; r.data=nd; r.n*=2 }; r.data[(r.readable+r.beg)%r.n]=d; r.readable++ }
type lis struct{ add, next chan any; pend atomic.Int64; ring lring }
func (p *lis) pop(){ defer close(p.next); var nextCh chan<- any; var n any
 for { select { case nextCh <- n: var ok bool; n,ok=p.ring.read(); if ok {p.pend.Add(-1)} else {nextCh=nil}
 case a,ok:=<-p.add: if !ok {return}; if n==nil {n=a; nextCh=p.next} else {p.ring.write(a); p.pend.Add(1)} } } }
func BenchmarkShape(b *testing.B){
 item := any(new(int))
 b.Run("clientgo", func(b *testing.B){ p:=&lis{add:make(chan any),next:make(chan any)}; p.ring.data=make([]any,1024); p.ring.n=1024; go p.pop(); done:=make(chan int); go func(){ k:=0; for range p.next { p.pend.Load(); if k++; k==b.N {close(done)} } }(); b.ResetTimer(); for range b.N { p.add<-item }; <-done; close(p.add) })
 b.Run("reference", func(b *testing.B){ p:=buffer.NewReference(buffer.Params[any]{}); done:=make(chan int); go func(){ var d [1]any; k:=0; for p.Pop(d[:])>0 { if k++; k==b.N {close(done)} } }(); one:=[]any{item}; b.ResetTimer(); for range b.N { p.Push(one) }; <-done; p.Close() })
}

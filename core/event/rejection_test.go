package event

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRejectionKeepsItsCause(t *testing.T) {
	r := Reject(Key{Namespace: "shop", Name: "a"}, "7", io.ErrUnexpectedEOF)
	assert.Equal(t, `object shop/a at version "7" left out: unexpected EOF`, r.Error())
	assert.ErrorIs(t, r, io.ErrUnexpectedEOF)
}

func TestPanicErrorHasTheStackOfThePanic(t *testing.T) {
	caught := func(value any) (p *PanicError) {
		defer func() { p = Recovered(recover()) }()
		explode(value)
		return nil
	}
	p := caught(io.EOF)
	assert.Contains(t, p.Error(), "panic: EOF\n")
	assert.Contains(t, string(p.Stack), "explode")
	assert.ErrorIs(t, p, io.EOF)
	assert.NoError(t, errors.Unwrap(caught("no error")))
}

func explode(value any) { panic(value) }

func TestRejectObjectOfWhatHasNoKey(t *testing.T) {
	r := RejectObject(object{"shop", "a", "7"}, io.EOF)
	assert.Equal(t, Reject(Key{"shop", "a"}, "7", io.EOF), r)
	var none *object
	assert.Equal(t, &Rejection{Err: io.EOF}, RejectObject(none, io.EOF), "a typed nil panics when asked")
	assert.Equal(t, &Rejection{Err: io.EOF}, RejectObject(nil, io.EOF))
}

func TestTryReturnsThePanic(t *testing.T) {
	ran := false
	assert.Nil(t, Try(func() { ran = true }))
	assert.True(t, ran)
	p := Try(func() { explode("boom") })
	assert.Equal(t, "boom", p.Value)
	assert.Contains(t, string(p.Stack), "explode")
}

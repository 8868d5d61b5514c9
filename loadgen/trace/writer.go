package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"informerlab/core/source"
)

// A Writer writes a trace. It is for one goroutine.
type Writer struct {
	header  Header
	buffer  *bufio.Writer
	close   func() error
	line    []byte
	written int
}

// NewWriter begins a trace, compressed as h says, by writing its header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	writer := &Writer{header: h, close: func() error { return nil }}
	switch h.Compression {
	case Gzip:
		zip := gzip.NewWriter(w)
		w, writer.close = zip, zip.Close
	case Zstd:
		// One encoder encodes in the caller's goroutine.
		zip, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("trace: %w", err)
		}
		w, writer.close = zip, zip.Close
	}
	writer.buffer = bufio.NewWriterSize(w, 64<<10)
	_, err := fmt.Fprintf(writer.buffer, `{"trace":"informerlab","version":%d,"objects":%t}`+"\n", Version, h.Objects)
	return writer, err
}

// Write writes a record; in a trace without objects, without its Object. It
// checks nothing: a Reader does. After an error every call returns one.
func (w *Writer) Write(rec *Record) error {
	object := rec.Object
	if !w.header.Objects {
		object = nil
	}
	b := append(w.line[:0], `{"t":`...)
	b = strconv.AppendInt(b, rec.T, 10)
	b = appendString(append(b, `,"resource":`...), rec.Resource)
	b = append(append(append(b, `,"type":"`...), rec.Type.String()...), '"')
	if rec.Initial {
		b = append(b, `,"initial":true`...)
	}
	if rec.Type != source.Bookmark {
		b = appendString(append(b, `,"key":`...), rec.Key)
	}
	// What stands beside an object wins over what is in it, also if it is empty.
	if len(rec.UID) > 0 || object != nil {
		b = appendString(append(b, `,"uid":`...), rec.UID)
	}
	b = appendString(append(b, `,"rv":`...), rec.RV)
	if rec.Gen != 0 || object != nil {
		b = strconv.AppendInt(append(b, `,"gen":`...), rec.Gen, 10)
	}
	if rec.Size != 0 || object != nil {
		b = strconv.AppendInt(append(b, `,"size":`...), rec.Size, 10)
	}
	if object != nil {
		b = append(append(b, `,"object":`...), object...)
	}
	w.line = append(b, "}\n"...)
	w.written++
	_, err := w.buffer.Write(w.line)
	return err
}

// Records returns the number of records written.
func (w *Writer) Records() int { return w.written }

// Close ends the trace and its compression. It does not close what it writes to.
func (w *Writer) Close() error {
	err := w.buffer.Flush()
	if closed := w.close(); err == nil {
		err = closed
	}
	return err
}

// appendString appends text as JSON.
func appendString(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(text)) // of a string it cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

package flame_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/flame"
)

// visitor clicks the box of a function in a page, then searches for the function,
// and leaves on the page what it saw. It goes on after the page was opened again
// with another address.
const visitor = `<script>
const boxes = () => [...document.querySelectorAll('#stack-chart .boxbg')];
const share = (box) => box.clientWidth / document.getElementById('stack-chart').clientWidth;
const wanted = () => boxes().find((box) => box.innerText.includes('spin['));
const say = (line) => sessionStorage.said = (sessionStorage.said || '') + line + '\n';
addEventListener('error', (e) => say('error: ' + e.message));
function zoom() {
  const box = wanted(), at = box.getBoundingClientRect();
  say('share ' + (share(box) > 0.9));
  for (const kind of ['mousedown', 'click'])
    box.dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: at.x + 2, clientY: at.y + 2}));
}
function look() {
  say('zoomed ' + (share(wanted()) > 0.9));
  const search = document.getElementById('search');
  search.value = 'spin';
  search.dispatchEvent(new Event('input', {bubbles: true}));
  setTimeout(() => {
    say('found ' + (wanted().classList.contains('hilite') && !boxes()[0].classList.contains('hilite')));
    const said = document.createElement('pre');
    said.id = 'said';
    said.innerText = sessionStorage.said;
    document.body.append(said);
  }, 1000);
}
addEventListener('load', () => {
  if (!location.search) setTimeout(zoom, 100);
  const poll = setInterval(() => { if (location.search) { clearInterval(poll); look(); } }, 100);
});
</script></body>`

// refusing is a browser that lets no page from a file change its address.
const refusing = `<head><script>history.pushState = () => { throw new Error('refused') }</script>`

// browser returns the headless browser there is, or "".
func browser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// visit opens a page from a file, without a network, and returns what the visitor
// said and what the browser's console did.
func visit(t *testing.T, page string) (said, console string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, browser(), "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,800",
		"--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000", "--dump-dom", "file://"+page)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	dom, err := command.Output()
	require.NoError(t, err, stderr.String())
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	found := regexp.MustCompile(`(?s)<pre id="said">(.*?)</pre>`).FindSubmatch(dom)
	if found == nil {
		return "", console
	}
	return strings.ReplaceAll(string(found[1]), "<br>", "\n"), console
}

// TestPagesInABrowser zooms and searches in pages of each sort, opened from files.
func TestPagesInABrowser(t *testing.T) {
	if browser() == "" {
		t.Log("no chromium here: pages were not opened")
		return
	}
	profiles, out := t.TempDir(), t.TempDir()
	writeProfiles(t, profiles, "", "reference", "ring")
	index, err := flame.Write(profiles, out)
	require.NoError(t, err)
	_, console := visit(t, index)
	assert.Empty(t, console)
	for name, refuses := range map[string]bool{
		"stall,stalled=1@ring.cpu.html":              false,
		"stall,stalled=1@ring.cpu.vs-reference.html": false,
		"stall,stalled=1@reference.cpu.html":         true,
	} {
		text, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		page := strings.Replace(string(text), "</body>", visitor, 1)
		if refuses {
			page = strings.Replace(page, "<head>", refusing, 1)
		}
		copied := filepath.Join(out, "copy.html")
		require.NoError(t, os.WriteFile(copied, []byte(page), 0o666))
		said, console := visit(t, copied)
		assert.Equal(t, "share false\nzoomed true\nfound true\n", said, name)
		assert.Empty(t, console, name)
	}
}

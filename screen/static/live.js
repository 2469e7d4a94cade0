// The live stream of a page: tells each section as it comes, and when the gate falls silent.
// A page that hears nothing must not go on showing what it heard last.

const SILENCE = 6000; // ms; three heartbeats

/**
 * Follow `url` for ever.
 * @param {string} url - a server-sent event stream
 * @param {Object<string, function(any)>} sections - called with each section's new value
 * @param {function(boolean)} connected - called with false at a loss, with true at the next word
 */
export function follow(url, sections, connected) {
  let source = null;
  let timer = 0;
  let up = false;

  function heard() {
    clearTimeout(timer);
    timer = setTimeout(silent, SILENCE);
    if (!up) {
      up = true;
      connected(true);
    }
  }

  function lost() {
    if (up) {
      up = false;
      connected(false);
    }
  }

  function silent() {
    lost();
    open();
  }

  function open() {
    if (source) source.close();
    source = new EventSource(url);
    source.addEventListener("error", lost); // the browser retries by itself, unless refused
    source.addEventListener("beat", heard);
    for (const [name, show] of Object.entries(sections)) {
      source.addEventListener(name, (event) => {
        heard();
        show(JSON.parse(event.data));
      });
    }
    clearTimeout(timer);
    timer = setTimeout(silent, SILENCE);
  }

  connected(false);
  open();
}

// Lets the search run in pages that are opened from a folder. Browsers start no worker there, so a hidden frame, which
// has globals of its own, stands in for it. The theme asks for the name IFrameWorker to know where its files are.
"use strict";
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.documentElement.append(frame);
    const inside = frame.contentWindow;
    // messages of the script come out, messages to it wait until it has been loaded
    inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    const load = (address) =>
      new Promise((done, failed) => {
        const script = inside.document.createElement("script");
        script.onload = done;
        script.onerror = () => failed(new Error(`${address} cannot be loaded`));
        script.src = address;
        inside.document.body.append(script);
      });
    inside.importScripts = (...addresses) =>
      addresses.reduce((before, address) => before.then(() => load(address)), Promise.resolve());
    this.inside = inside;
    this.loaded = load(new URL(url, document.baseURI).href);
    this.loaded.catch((error) => this.dispatchEvent(new ErrorEvent("error", { error, message: error.message })));
  }

  postMessage(data) {
    this.loaded.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
  }
}
window.IFrameWorker = IFrameWorker;
if (location.protocol === "file:") window.Worker = IFrameWorker;

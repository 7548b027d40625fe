/** Opens the panel, and hands it the text that the user has selected. The model lives in the panel: a service worker is ended when idle. */
chrome.sidePanel.setPanelBehavior({ openPanelOnActionClick: true });

chrome.runtime.onInstalled.addListener(() => {
  chrome.contextMenus.create({ id: "ask", title: "Ask Tandem about “%s”", contexts: ["selection"] });
});

chrome.contextMenus.onClicked.addListener(({ selectionText }, tab) => {
  chrome.sidePanel.open({ windowId: tab.windowId }); // before anything is waited for: only a click may open it
  chrome.storage.session.set({ selection: selectionText });
});

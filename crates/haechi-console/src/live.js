// Decisions as they are made, into the table of this page. At most 200 rows are kept; what was missed is counted.
(() => {
  const rows = document.querySelector('#live'), said = document.querySelector('#said'), pause = document.querySelector('#pause')
  const words = pause.dataset, most = 200
  const zone = rows.dataset.zone
  const told = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  // As on the other pages: in the reader's zone, with UTC beside it.
  const time = (at) => zone === 'UTC' ? at.replace('T', ' ').replace('Z', '') : `${told.format(new Date(at))} (${at.slice(11, 19)} UTC)`
  let source, missed = 0
  const say = (text) => { said.textContent = missed ? `${text} (${words.missed} ${missed})` : text }
  const cell = (row, text, className) => {
    const made = row.insertCell(), inner = document.createElement(className ? 'span' : 'bdi')
    if (className) inner.className = className
    inner.textContent = text ?? ''
    made.append(inner)
    return made
  }
  const show = (record) => {
    const row = rows.insertRow(0), link = document.createElement('a')
    link.href = `/console/decisions/${encodeURIComponent(record.id)}`
    link.textContent = time(record.time)
    row.insertCell().append(link)
    cell(row, words[record.outcome] ?? record.outcome, record.outcome === 'allow' ? 'good' : 'bad')
    cell(row, `${record.request.method} ${record.request.path}`)
    cell(row, record.request.route)
    cell(row, record.caller.subject)
    cell(row, record.reason)
    cell(row, record.request.client)
    while (rows.rows.length > most) rows.deleteRow(-1)
  }
  const stop = () => { source?.close(); source = undefined; pause.textContent = words.go; say(words.stopped) }
  const start = () => {
    source = new EventSource(`/console/decisions/stream${location.search}`)
    source.onopen = () => say(words.running)
    // It comes again by itself where the line broke, and does not where the gate said no.
    source.onerror = () => source?.readyState === 2 ? stop() : say(words.broken)
    source.addEventListener('decision', (event) => show(JSON.parse(event.data)))
    source.addEventListener('missed', (event) => { missed += JSON.parse(event.data).missed; say(words.running) })
    pause.textContent = words.pause
    say(words.opening)
  }
  pause.hidden = false
  pause.addEventListener('click', () => source ? stop() : start())
  start()
})()

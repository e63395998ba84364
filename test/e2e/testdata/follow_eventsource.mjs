// Follows events with npm's eventsource: follow_eventsource.mjs MODULE URL
const { EventSource } = await import(process.argv[2]);
const stream = new EventSource(process.argv[3] + "/stream?topics=events");
const print = (e) => {
  const m = JSON.parse(e.data);
  console.log(m.type, m.topic ?? "", JSON.stringify(m.data ?? null));
};
for (const name of ["hello", "events"]) stream.addEventListener(name, print);

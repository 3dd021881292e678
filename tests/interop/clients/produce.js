// produce.js BOOTSTRAP TOPIC CODEC - lines from stdin to partition 0, by kafkajs.
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')
const readline = require('readline')
const [bootstrap, topic, codec] = process.argv.slice(2)

async function main () {
  const producer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).producer({ idempotent: true, maxInFlightRequests: 1 })
  const compression = codec === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None
  let batch = []
  const send = async () => {
    if (batch.length) await producer.send({ topic, acks: -1, compression, messages: batch })
    batch = []
  }
  await producer.connect()
  const lines = readline.createInterface({ input: process.stdin }) // not earlier: it would read ahead of the loop
  for await (const value of lines) {
    batch.push({ value, partition: 0 })
    if (batch.length === 5000) await send()
  }
  await send()
  await producer.disconnect()
}
main().catch(e => { console.error(e); process.exit(1) })

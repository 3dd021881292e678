// member.js BOOTSTRAP GROUP TOPIC eager - one member of a group by kafkajs: prints what it is handed, then commits it.
const { Kafka, AssignerProtocol: { MemberMetadata, MemberAssignment }, logLevel } = require('kafkajs')
const [bootstrap, groupId, topic] = process.argv.slice(2)

// kafkajs knows only an assignor of its own name; this is the one all clients have, range, for members of one subscription.
const range = ({ cluster }) => ({
  name: 'range',
  version: 0,
  async assign ({ members, topics }) {
    const ids = members.map(m => m.memberId).sort()
    const plans = ids.map(() => ({}))
    for (const t of topics) {
      const parts = cluster.findTopicPartitionMetadata(t).map(p => p.partitionId).sort((a, b) => a - b)
      const each = Math.floor(parts.length / ids.length)
      const more = parts.length % ids.length
      ids.forEach((_, i) => {
        const from = i * each + Math.min(i, more)
        plans[i][t] = parts.slice(from, from + each + (i < more ? 1 : 0))
      })
    }
    return ids.map((memberId, i) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: 0, assignment: plans[i], userData: Buffer.alloc(0) })
    }))
  },
  protocol ({ topics }) {
    return { name: 'range', metadata: MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }) }
  }
})

async function main () {
  const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR, retry: { retries: 20, maxRetryTime: 2000 } }).consumer({
    groupId, partitionAssigners: [range], sessionTimeout: 6000, rebalanceTimeout: 20000, heartbeatInterval: 500, maxWaitTimeInMs: 200
  })
  process.on('SIGTERM', async () => {
    await consumer.disconnect()
    console.log('leaving')
    process.exit(0)
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (const m of batch.messages) {
        if (!isRunning() || isStale()) break
        console.log(`got ${batch.partition} ${m.offset} ${m.value}`)
        resolveOffset(m.offset)
      }
      const next = (BigInt(batch.lastOffset()) + 1n).toString()
      if (isRunning() && !isStale()) {
        await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
      }
      await heartbeat()
    }
  })
}
main().catch(e => { console.error(e); process.exit(1) })

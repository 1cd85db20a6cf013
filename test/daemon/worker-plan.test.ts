// SPDX-License-Identifier: GPL-2.0-only
/** Which workers serve a mount, on machines that this one is not. */
import { test } from 'tap'
import { parseCpuList } from '../../src/daemon/processors.js'
import { type Machine, type WorkersWish, planWorkers } from '../../src/daemon/worker-plan.js'

const four: Machine = { allowedCpus: [0, 1, 2, 3], queueCount: 4, laneCount: 64 }
const ring: WorkersWish = { channel: 'uring', count: 0, cpus: [] }
const device: WorkersWish = { channel: 'devfuse', count: 0, cpus: [] }

const cpusOf = (wish: WorkersWish, machine: Machine) =>
  planWorkers(wish, machine).servers.map(({ cpu }) => cpu)
const queuesOf = (wish: WorkersWish, machine: Machine) =>
  planWorkers(wish, machine).servers.map(({ queues }) => queues)

void test('over io_uring each processor has a worker and its queue', (t) => {
  t.same(cpusOf(ring, four), [0, 1, 2, 3])
  t.same(queuesOf(ring, four), [[0], [1], [2], [3]])
  t.equal(planWorkers(ring, four).notice, null)
  t.end()
})

void test('queues of processors that are not there, or not ours, are served all the same', (t) => {
  const virtual: Machine = { allowedCpus: [0, 1], queueCount: 6, laneCount: 64 }
  t.same(cpusOf(ring, virtual), [0, 1])
  t.same(queuesOf(ring, virtual), [
    [0, 2, 4],
    [1, 3, 5],
  ])
  const bound: Machine = { allowedCpus: [1, 3], queueCount: 4, laneCount: 64 }
  t.same(cpusOf(ring, bound), [1, 3])
  t.same(queuesOf(ring, bound), [[0, 1, 2], [3]])
  t.end()
})

void test('what is asked for is done, or refused with the reason', (t) => {
  t.same(cpusOf({ ...ring, count: 2 }, four), [null, null], 'too few to stay anywhere')
  t.same(queuesOf({ ...ring, count: 2 }, four), [
    [0, 2],
    [1, 3],
  ])
  t.same(cpusOf({ ...ring, cpus: [2] }, four), [2])
  t.same(queuesOf({ ...ring, cpus: [2] }, four), [[0, 1, 2, 3]])
  t.same(cpusOf({ ...ring, count: 3, cpus: [0, 2] }, four), [0, 2, 0])
  t.equal(
    planWorkers({ ...ring, count: 8 }, four).notice,
    '4 instead of 8 workers serve: the kernel has no more queues for them',
  )
  const small: Machine = { ...four, laneCount: 4 }
  t.equal(cpusOf(ring, small).length, 3, 'who reads /dev/fuse takes a lane too')
  t.equal(planWorkers(ring, small).notice, null, 'nobody asked for four')
  t.equal(
    planWorkers({ ...device, count: 8 }, small).notice,
    '4 instead of 8 workers serve: the undo log of this volume has no more lanes',
  )
  t.end()
})

void test('without a ring there is one worker, anywhere, unless told otherwise', (t) => {
  t.same(planWorkers(device, four).servers, [{ cpu: null, queues: null }])
  t.same(cpusOf({ ...device, count: 3 }, four), [null, null, null])
  t.same(cpusOf({ ...device, cpus: [1, 3] }, four), [1, 3])
  t.end()
})

void test('lists of processors', (t) => {
  t.same(parseCpuList('0'), [0])
  t.same(parseCpuList('0,2-4'), [0, 2, 3, 4])
  for (const wrong of ['', 'a', '1-', '3-1', '0,,1', '9000']) t.equal(parseCpuList(wrong), null, wrong)
  t.end()
})

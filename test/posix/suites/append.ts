// SPDX-License-Identifier: GPL-2.0-only
/** O_APPEND: every write lands at the end of the file, wherever that is by then and whoever moved it. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { SEEK_CUR, SEEK_SET } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, PAGE_BYTES, scratch } from '../fixture.js'

const { O_RDWR, O_WRONLY, O_CREAT, O_APPEND } = constants

export function appendSuite(target: Target): void {
  const { system: sys } = target

  void test('an appending descriptor writes at the end wherever it stands', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'head')
    const fd = await sys.open(`${d}/a`, O_RDWR | O_APPEND)
    await sys.write(fd, Buffer.from('-one'))
    t.equal(await sys.lseek(fd, 0, SEEK_CUR), 8, 'a write moves the position to the new end')
    await sys.lseek(fd, 0, SEEK_SET)
    t.equal((await sys.read(fd, 4)).toString(), 'head', 'reads go where the position says')
    await sys.write(fd, Buffer.from('-two'))
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'head-one-two')
    t.equal(await sys.pwrite(fd, Buffer.from('-three'), 0), 6)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'head-one-two-three', 'pwrite appends too on Linux')
    await sys.close(fd)
  })

  void test('two appending descriptors never overwrite each other', async (t) => {
    const d = await scratch(t, target)
    const first = await sys.open(`${d}/a`, O_WRONLY | O_CREAT | O_APPEND)
    const second = await sys.open(`${d}/a`, O_WRONLY | O_APPEND)
    let expected = ''
    for (let turn = 0; turn < 40; turn++) {
      const text = `${turn % 2 === 0 ? 'first' : 'second'} ${turn};`
      await sys.write(turn % 2 === 0 ? first : second, Buffer.from(text))
      expected += text
    }
    t.equal((await sys.readFile(`${d}/a`)).toString(), expected)
    t.equal((await sys.stat(`${d}/a`)).size, expected.length)
    await sys.close(first)
    await sys.close(second)
  })

  void test('an appending descriptor follows the end that another moved', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '0123456789')
    const fd = await sys.open(`${d}/a`, O_WRONLY | O_APPEND)
    await sys.truncate(`${d}/a`, 4)
    await sys.write(fd, Buffer.from('A'))
    t.equal((await sys.readFile(`${d}/a`)).toString(), '0123A', 'shrunk')
    await sys.truncate(`${d}/a`, 7)
    await sys.write(fd, Buffer.from('B'))
    t.equal((await sys.readFile(`${d}/a`)).toString(), '0123A\0\0B', 'grown')
    const other = await sys.open(`${d}/a`, O_WRONLY)
    await sys.pwrite(other, Buffer.from('C'), 10)
    await sys.write(fd, Buffer.from('D'))
    t.equal((await sys.readFile(`${d}/a`)).toString(), '0123A\0\0B\0\0CD', 'written past')
    await sys.close(other)
    await sys.close(fd)
  })

  void test('two processes that append at once lose no record', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const recordBytes = 100
    const count = 150
    const writers = [await actor(t), await actor(t)]
    await Promise.all(
      writers.map(async (writer, who) => {
        const fd = await writer.open(`${d}/a`, O_WRONLY | O_APPEND)
        const records = Array.from({ length: count }, (_, i) =>
          writer.write(fd, Buffer.from(`${who} ${i}`.padEnd(recordBytes, '.'))),
        )
        await Promise.all(records)
      }),
    )
    const content = (await sys.readFile(`${d}/a`)).toString()
    t.equal(content.length, 2 * count * recordBytes)
    const records = content.match(new RegExp(`.{${recordBytes}}`, 'g')) ?? []
    for (const who of [0, 1]) {
      const own = records
        .filter((record) => record.startsWith(`${who} `))
        .map((record) => parseInt(record.slice(2)))
      t.same(
        own,
        Array.from({ length: count }, (_, i) => i),
        `writer ${who}: each record once, in order`,
      )
    }
  })

  void test('an append across the end of a page leaves what stood there', async (t) => {
    const d = await scratch(t, target)
    for (const start of [PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1]) {
      await sys.writeFile(`${d}/a`, Buffer.alloc(start, 'x'))
      const fd = await sys.open(`${d}/a`, O_WRONLY | O_APPEND)
      await sys.write(fd, Buffer.from('yyy'))
      await sys.close(fd)
      const expected = Buffer.concat([Buffer.alloc(start, 'x'), Buffer.from('yyy')])
      t.equal((await sys.readFile(`${d}/a`)).equals(expected), true, `append at ${start}`)
    }
  })
}

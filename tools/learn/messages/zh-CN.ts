/** What the course says, in Simplified Chinese. */
import type { EN } from './en.ts';

export const ZH_CN: typeof EN = {
  texts: {
    folder: '练习目录：{folder}',
    noFolder: '还没有开始任何练习。',
    begin: '开始：vmlapse learn start {number}',
    next: '下一个：vmlapse learn start {number}（{title}）',
    allDone: '所有练习都已完成。',
    started: '练习 {number}：{title}\n  题目      {text}\n  你的程序  {file}\n  课程      {lesson}',
    thenCheck: '填好空缺后运行：vmlapse learn check {number}',
    passed: '练习 {number}（{title}）：通过',
    failed: '练习 {number}（{title}）：还没有通过',
    problem: '  问题    {text}',
    where: '  看哪里  {text}',
    hint: '  提示    {text}',
    output: '你的程序输出：',
    nothingPrinted: '你的程序没有输出任何内容。',
    hints: '提示 {n}/{count}：{hint}',
    moreHints: '还有一条提示：再运行一次即可看到。',
    reset: '{file} 已恢复为初始内容',
    kept: '原来的内容保存在 {kept}',
    found: '{file} 原来就有，保持不变。',
    of: '已完成 {done}/{count}',
    untold: '练习 {number}（{title}）：这里无法判断',
    onRecording:
      '基于录制：你的程序得到的是 KVM（类型 {kvm}，Linux {linux}）在 {made} 的回答。在有 /dev/kvm 的机器上运行 vmlapse learn check 才是确定的。',
    noKvm: '这里不能使用 KVM：{why}',
    onRecordingShort: '基于录制',
    differs: '{what} 是 {yours}，录制中是 {recorded}',
    knows: '录制中有：{known}',
    nothing: '录制在这里没有 {ioctl}。',
  },
  problems: {
    'no-kvm': {
      problem: '这台主机上没有可用的 KVM：{error}',
      where: '`vmlapse info`，以及 docs/troubleshooting.md',
      hint: '这个结果与你的程序无关。没有 KVM 时，这些练习可以基于录制检查：{recorded}',
    },
    'no-recording': {
      problem: '这个练习没有录制：它需要 /dev/kvm。',
      where: '不带 --recording 的 `vmlapse learn check {number}`',
      hint: '这个结果与你的程序无关。这些练习有录制：{recorded}',
    },
    unrecorded: {
      problem: '录制不知道这个调用：{call}。{more}',
      where: '{file}{line}',
      hint: '它也许是对的：只有在有 /dev/kvm 的机器上才能判断。录制包含正确答案的调用和常见的错误。',
    },
    timeout: {
      problem: '你的程序在 {seconds} 秒内没有结束，已被终止；它一共调用了 {runs} 次 KVM_RUN。',
      where: 'vcpu.run() 外面的循环：哪一种 exit 会让它结束？',
      hint: '排查时可以把每次 exit 都打印出来。不检查 exit 的循环永远不会结束。',
    },
    flood: {
      problem: '你的程序输出超过了 16 MiB，已被终止。',
      where: 'vcpu.run() 循环里的输出语句',
      hint: '有一个本该在某次 exit 结束的循环没有结束。',
    },
    crash: {
      problem: 'Node 进程本身被 {signal} 终止。',
      where: '释放之后仍被使用的内存，以及你自己算出来的地址',
      hint: '只要 KVM 和你的程序还在使用这块内存，Mapping 就必须存在。',
    },
    threw: {
      problem: '你的程序抛出了错误：{error}',
      where: '{file}{line}',
      hint: 'KvmError 的消息里有 ioctl 的名字、errno 和常见原因。',
    },
    status: {
      problem: '你的程序以状态 {status} 退出。',
      where: '{file} 里的 process.exit() 和 process.exitCode',
      hint: '练习程序应当以状态 0 结束。',
    },
    nonsense: {
      problem: '检查看到的内容自相矛盾：{error}',
      where: '{file}：它是否改动了 vmlapse 或 Node 的函数？',
      hint: '如果没有，那就是检查本身的缺陷，请报告。',
    },
    channel: {
      problem: '你的程序写入了描述符 3，而检查正是通过它观察程序的。',
      where: '{file}',
      hint: '不要使用这个描述符。其他内容没有检查。',
    },
    nothing: {
      problem: '你的程序完全没有调用 KVM。',
      where: '{file}：你编辑的是这个文件吗？保存了吗？',
      hint: '`vmlapse learn reset {number}` 可以恢复初始内容。',
    },
  },
};

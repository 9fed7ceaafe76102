/** What the course says, in English. Blanks are in braces. The other languages have the same keys and blanks. */

/** What is wrong, where to look, and one hint. */
export interface Problem {
  readonly problem: string;
  readonly where: string;
  readonly hint: string;
}

export const EN = {
  texts: {
    folder: 'Exercises in {folder}',
    noFolder: 'Nothing is begun yet.',
    begin: 'Begin: vmlapse learn start {number}',
    next: 'Next: vmlapse learn start {number} ({title})',
    allDone: 'All exercises are done.',
    started: 'Exercise {number}, {title}\n  the task      {text}\n  your program  {file}\n  the lesson    {lesson}',
    thenCheck: 'Fill the gap, then run: vmlapse learn check {number}',
    passed: 'Exercise {number}, {title}: passed',
    failed: 'Exercise {number}, {title}: not yet',
    problem: '  what is wrong  {text}',
    where: '  where to look  {text}',
    hint: '  a hint         {text}',
    output: 'Your program printed:',
    nothingPrinted: 'Your program printed nothing.',
    hints: 'Hint {n} of {count}: {hint}',
    moreHints: 'There is one more: run it again.',
    reset: '{file} is as in the beginning',
    kept: 'What was there before is in {kept}',
    found: '{file} was there before, and stays as it is.',
    of: '{done} of {count} done',
    untold: 'Exercise {number}, {title}: nobody can tell here',
    onRecording:
      'On a recording: your program got the answers that KVM (kind {kvm}, Linux {linux}) gave on {made}. To be certain, check it on a machine with /dev/kvm.',
    noKvm: 'KVM cannot be used here: {why}',
    onRecordingShort: 'on a recording',
    differs: '{what} is {yours}, in the recording {recorded}',
    knows: 'The recording has: {known}',
    nothing: 'The recording has no {ioctl} there.',
  },
  /** Of any exercise. */
  problems: {
    'no-kvm': {
      problem: 'This host has no usable KVM: {error}',
      where: '`vmlapse info`, and docs/troubleshooting.md',
      hint: 'Nothing is said about your program. Without KVM these exercises can be checked, on a recording: {recorded}',
    },
    'no-recording': {
      problem: 'There is no recording of this exercise: it needs /dev/kvm.',
      where: '`vmlapse learn check {number}` without --recording',
      hint: 'Nothing is said about your program. These exercises have a recording: {recorded}',
    },
    unrecorded: {
      problem: 'The recording does not know this: {call}. {more}',
      where: '{file}{line}',
      hint: 'It may be right: only a machine with /dev/kvm can tell. The recording has what right answers ask, and usual mistakes.',
    },
    timeout: {
      problem: 'Your program did not end within {seconds} seconds and was stopped; it had called KVM_RUN {runs} times.',
      where: 'the loop around vcpu.run(): which exit ends it?',
      hint: 'Print each exit while you look for it. A loop that does not look at the exit never ends.',
    },
    flood: {
      problem: 'Your program printed more than 16 MiB and was stopped.',
      where: 'what is printed in the loop around vcpu.run()',
      hint: 'A loop that should end at an exit does not end.',
    },
    crash: {
      problem: 'Node itself was ended by {signal}.',
      where: 'memory that is used after it was given back, and addresses that you computed',
      hint: 'A Mapping must live as long as KVM and your program use its memory.',
    },
    threw: {
      problem: 'Your program threw an error: {error}',
      where: '{file}{line}',
      hint: 'The message of a KvmError says the ioctl, the errno and the usual cause.',
    },
    status: {
      problem: 'Your program ended with status {status}.',
      where: 'process.exit() and process.exitCode in {file}',
      hint: 'An exercise ends with status 0.',
    },
    nonsense: {
      problem: 'What was seen of your program makes no sense: {error}',
      where: '{file}: does it change functions of vmlapse or of Node?',
      hint: 'If it does not, the check has a defect: please report it.',
    },
    channel: {
      problem: 'Your program has written to descriptor 3, by which the check sees what it does.',
      where: '{file}',
      hint: 'Leave that descriptor alone. Nothing else was looked at.',
    },
    nothing: {
      problem: 'Your program has not called KVM at all.',
      where: '{file}: is it the file that you edit, and is it saved?',
      hint: '`vmlapse learn reset {number}` brings the beginning back.',
    },
  } satisfies Record<string, Problem> as Readonly<Record<string, Problem>>,
};

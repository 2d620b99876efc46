// Strategies that only tests have; weighbridge-test-worker adds them to the built-in ones.
//
//   truth:seed=N,file=PATH   carries out the ground-truth plan of that seed
//   seven:way=WAY            the seven ways of the truth table, by hand: eager, double, mmap, mmap-tenth, mmap-copy,
//                            reserve-tenth, memfd
//   flip:tensor=N            eager, but one byte of tensor N is another
//   crash:at=PHASE           dies of SIGSEGV there
//   hang:bytes=N,at=PHASE    holds so many touched bytes and never ends
#pragma once

namespace weighbridge::test {

void add_test_strategies();

}  // namespace weighbridge::test

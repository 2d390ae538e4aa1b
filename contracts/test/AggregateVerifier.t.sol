// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {AggregateVerifier} from "../src/AggregateVerifier.sol";
import {IAggregateVerifier} from "../src/IAggregateVerifier.sol";
import {SampleConsumer} from "../src/examples/SampleConsumer.sol";
import {AggregateHarness} from "./AggregateHarness.sol";
import {vm} from "./Harness.sol";

/// @notice The signed forecast passes; what is old, altered, foreign or stale does not.
contract AggregateVerifierTest is AggregateHarness {
    function test_a_forecast_signed_by_enough_is_good() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        verifier.verify(FEED, aggregate, signed(aggregate));
        verifier.verify(FEED, aggregate, signed(aggregate, keys[0], keys[2]));
        bytes[] memory all = new bytes[](3);
        bytes32 hash = verifier.hashOf(aggregate);
        for (uint256 i = 0; i < 3; ++i) all[i] = signature(keys[i], hash);
        verifier.verify(FEED, aggregate, all);
        vm.expectEmit();
        emit IAggregateVerifier.Consumed(address(this), FEED, aggregate.startsAt, hash);
        verifier.consume(FEED, aggregate, all);
        same(verifier.lastRound(address(this), FEED), aggregate.startsAt, "last");
    }

    function test_every_altered_field_is_refused() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory signatures = signed(aggregate);
        for (uint256 field = 0; field < 10; ++field) {
            IAggregateVerifier.Aggregate memory other = fresh();
            if (field == 0) other.startsAt += 1;
            if (field == 1) other.probabilityPpm += 1;
            if (field == 2) other.lowPpm += 1;
            if (field == 3) other.highPpm += 1;
            if (field == 4) other.models += 1;
            if (field == 5) other.stakeUnits += 1;
            if (field == 6) other.effectiveModelsMilli += 1;
            if (field == 7) other.disagreementPpm += 1;
            if (field == 8) other.calibrated = false;
            if (field == 9) other.generatedAtUs += 1;
            vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
            verifier.verify(FEED, other, signatures);
        }
        verifier.verify(FEED, aggregate, signatures);
    }

    function test_another_feed_is_refused() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory signatures = signed(aggregate);
        vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.WrongFeed.selector, FEED, OTHER));
        verifier.verify(OTHER, aggregate, signatures);
        aggregate.feed = OTHER;
        vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.WrongFeed.selector, OTHER, FEED));
        verifier.verify(FEED, aggregate, signatures);
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        verifier.verify(OTHER, aggregate, signatures);
    }

    function test_another_chain_or_verifier_is_refused() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory signatures = signed(aggregate);
        AggregateVerifier second = new AggregateVerifier(OWNER, AGE, DELAY, addresses(keys), 2);
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        second.verify(FEED, aggregate, signatures);
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        verifier.verify(FEED, aggregate, signatures);
    }

    function test_a_forecast_expires() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory signatures = signed(aggregate);
        travel(clock + AGE - 1);
        verifier.verify(FEED, aggregate, signatures);
        travel(clock + 1);
        uint256 expires = aggregate.generatedAtUs + AGE * 1e6;
        bytes4 old = IAggregateVerifier.TooOld.selector;
        vm.expectRevert(abi.encodeWithSelector(old, aggregate.generatedAtUs, expires));
        verifier.verify(FEED, aggregate, signatures);
        vm.expectRevert(abi.encodeWithSelector(old, aggregate.generatedAtUs, expires));
        verifier.consume(FEED, aggregate, signatures);
    }

    function test_a_forecast_of_the_future_is_refused() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        aggregate.generatedAtUs = uint64(clock + 60) * 1e6;
        verifier.verify(FEED, aggregate, signed(aggregate));
        aggregate.generatedAtUs += 1;
        bytes[] memory signatures = signed(aggregate);
        bytes4 why = IAggregateVerifier.FromTheFuture.selector;
        vm.expectRevert(
            abi.encodeWithSelector(why, aggregate.generatedAtUs, aggregate.generatedAtUs - 1)
        );
        verifier.verify(FEED, aggregate, signatures);
        aggregate.generatedAtUs = type(uint64).max;
        signatures = signed(aggregate);
        vm.expectPartialRevert(why);
        verifier.verify(FEED, aggregate, signatures);
    }

    function test_a_forecast_that_is_none_is_refused() public {
        for (uint256 kind = 0; kind < 4; ++kind) {
            IAggregateVerifier.Aggregate memory aggregate = fresh();
            if (kind == 0) aggregate.probabilityPpm = 1_000_001;
            if (kind == 1) aggregate.highPpm = 1_000_001;
            if (kind == 2) aggregate.lowPpm = aggregate.highPpm + 1;
            if (kind == 3) aggregate.models = 0;
            bytes[] memory signatures = signed(aggregate);
            vm.expectRevert(abi.encodeWithSelector(IAggregateVerifier.BadAggregate.selector));
            verifier.verify(FEED, aggregate, signatures);
        }
        IAggregateVerifier.Aggregate memory extreme = fresh();
        (extreme.probabilityPpm, extreme.lowPpm, extreme.highPpm) = (1_000_000, 1_000_000, 1_000_000);
        verifier.verify(FEED, extreme, signed(extreme));
    }

    function test_signatures_are_of_different_signers_and_enough() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes32 hash = verifier.hashOf(aggregate);
        bytes[] memory lone = new bytes[](1);
        lone[0] = signature(keys[0], hash);
        bytes4 few = IAggregateVerifier.TooFewSignatures.selector;
        _refused(aggregate, lone, abi.encodeWithSelector(few, 1, 2));
        _refused(aggregate, new bytes[](0), abi.encodeWithSelector(few, 0, 2));
        bytes4 order = IAggregateVerifier.SignersUnordered.selector;
        _refused(aggregate, signed(aggregate, keys[0], keys[0]), error1(order, 1));
        _refused(aggregate, signed(aggregate, keys[1], keys[0]), error1(order, 1));
        bytes4 unknown = IAggregateVerifier.UnknownSigner.selector;
        bytes memory why = abi.encodeWithSelector(unknown, vm.addr(stranger));
        _refused(aggregate, signed(aggregate, keys[0], stranger), why);
        _refused(aggregate, signed(aggregate, stranger, keys[0]), why);
    }

    function test_broken_and_malleable_signatures_are_refused() public {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes32 hash = verifier.hashOf(aggregate);
        bytes[] memory list = signed(aggregate);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], hash);
        bytes32 high = bytes32(ORDER - uint256(s));
        list[1] = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        _refused(aggregate, list, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high));
        list[1] = abi.encodePacked(r, s);
        _refused(aggregate, list, error1(ECDSA.ECDSAInvalidSignatureLength.selector, 64));
        list[1] = abi.encodePacked(r, s, uint8(2));
        _refused(aggregate, list, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));
    }

    function test_rounds_are_consumed_in_order_and_once() public {
        uint64 startsAt = uint64(clock) + 9;
        verifier.consume(FEED, forecast(startsAt), signed(forecast(startsAt)));
        bytes4 why = IAggregateVerifier.RoundNotNewer.selector;
        bytes[] memory signatures = signed(forecast(startsAt));
        vm.expectRevert(abi.encodeWithSelector(why, startsAt, startsAt));
        verifier.consume(FEED, forecast(startsAt), signatures);
        signatures = signed(forecast(startsAt - 1));
        vm.expectRevert(abi.encodeWithSelector(why, startsAt - 1, startsAt));
        verifier.consume(FEED, forecast(startsAt - 1), signatures);
        verifier.verify(FEED, forecast(startsAt - 1), signatures);
        verifier.consume(FEED, forecast(startsAt + 1), signed(forecast(startsAt + 1)));
        // Another feed and another consumer have an order of their own.
        IAggregateVerifier.Aggregate memory other = forecast(startsAt);
        other.feed = OTHER;
        verifier.consume(OTHER, other, signed(other));
        signatures = signed(forecast(startsAt));
        vm.prank(address(0xB1));
        verifier.consume(FEED, forecast(startsAt), signatures);
        same(verifier.lastRound(address(this), FEED), startsAt + 1, "newest");
        same(verifier.lastRound(address(0xB1), FEED), startsAt, "the other consumer's");
    }

    function test_the_sample_keeps_the_last_forecast() public {
        SampleConsumer sample = new SampleConsumer(verifier, FEED, 300);
        uint64 startsAt = uint64(clock) + 9;
        vm.expectEmit();
        emit SampleConsumer.ForecastStored(startsAt, 531_000);
        sample.update(forecast(startsAt), signed(forecast(startsAt)));
        same(sample.current().probabilityPpm, 531_000, "probability");
        same(sample.current().lowPpm, 498_000, "low");
        same(sample.current().highPpm, 562_000, "high");
        holds(sample.current().calibrated, "calibrated");
        bytes[] memory signatures = signed(forecast(startsAt));
        vm.expectPartialRevert(IAggregateVerifier.RoundNotNewer.selector);
        sample.update(forecast(startsAt), signatures);
        IAggregateVerifier.Aggregate memory other = forecast(startsAt + 1);
        other.probabilityPpm = 1;
        signatures = signed(forecast(startsAt + 1));
        vm.expectPartialRevert(IAggregateVerifier.UnknownSigner.selector);
        sample.update(other, signatures);
        same(sample.last().startsAt, startsAt, "a refusal stores nothing");
        travel(startsAt + 299);
        same(sample.current().startsAt, startsAt, "until its outcome");
        travel(startsAt + 300);
        vm.expectRevert(error1(SampleConsumer.NoForecast.selector, startsAt + 300));
        sample.current();
        same(sample.last().startsAt, startsAt, "however old");
    }

    function testFuzz_only_what_was_signed_is_good(uint256 seed, uint256 word) public view {
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory signatures = signed(aggregate);
        uint256 field = within(seed, 1, 10);
        uint256 flipped = 1 << (word % 20);
        if (field == 8 || field == 9) flipped = 1;
        assembly ("memory-safe") {
            let place := add(aggregate, mul(field, 32))
            mstore(place, xor(mload(place), flipped))
        }
        (bool done,) = address(verifier).staticcall(
            abi.encodeCall(IAggregateVerifier.verify, (FEED, aggregate, signatures))
        );
        holds(!done, "one bit apart");
    }

    function testFuzz_nobody_signs_for_a_signer(uint256 key, bytes32 r, bytes32 s, uint8 v) public {
        key = within(key, 14, 1 << 200);
        IAggregateVerifier.Aggregate memory aggregate = fresh();
        bytes[] memory list = signed(aggregate);
        list[1] = signature(key, verifier.hashOf(aggregate));
        _refusedSomehow(aggregate, list);
        list[1] = abi.encodePacked(r, s, v);
        _refusedSomehow(aggregate, list);
    }

    function _refusedSomehow(IAggregateVerifier.Aggregate memory aggregate, bytes[] memory list) private {
        vm.expectRevert();
        verifier.verify(FEED, aggregate, list);
    }

    function _refused(
        IAggregateVerifier.Aggregate memory aggregate,
        bytes[] memory list,
        bytes memory why
    ) private {
        vm.expectRevert(why);
        verifier.verify(FEED, aggregate, list);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAggregateVerifier} from "../IAggregateVerifier.sol";

/// @title An example: a contract that keeps the last forecast of a feed
/// @notice Anyone brings a signed forecast; the verifier refuses old, altered, foreign and stale ones,
/// and lets each round through once and in order. The order is that of this contract alone. Whoever
/// builds on it decides for how long a forecast is worth something: `current` refuses it once its round
/// has begun to be over.
contract SampleConsumer {
    IAggregateVerifier public immutable verifier;
    bytes32 public immutable feed;
    /// @dev Seconds from the start of a round to its outcome.
    uint64 public immutable horizon;

    struct Forecast {
        uint64 startsAt;
        uint32 probabilityPpm;
        uint32 lowPpm;
        uint32 highPpm;
        bool calibrated;
    }

    Forecast private _last;

    event ForecastStored(uint64 indexed startsAt, uint32 probabilityPpm);

    error NoForecast(uint256 since);

    constructor(IAggregateVerifier verifier_, bytes32 feed_, uint64 horizon_) {
        verifier = verifier_;
        feed = feed_;
        horizon = horizon_;
    }

    /// @notice Takes the forecast of a later round than the last.
    function update(IAggregateVerifier.Aggregate calldata aggregate, bytes[] calldata signatures) external {
        _last = Forecast({
            startsAt: aggregate.startsAt,
            probabilityPpm: aggregate.probabilityPpm,
            lowPpm: aggregate.lowPpm,
            highPpm: aggregate.highPpm,
            calibrated: aggregate.calibrated
        });
        emit ForecastStored(aggregate.startsAt, aggregate.probabilityPpm);
        // Everything above is undone when the verifier refuses.
        verifier.consume(feed, aggregate, signatures);
    }

    /// @notice The last forecast, while its round has no outcome yet.
    function current() external view returns (Forecast memory) {
        uint256 end = uint256(_last.startsAt) + horizon;
        if (block.timestamp >= end) revert NoForecast(end);
        return _last;
    }

    /// @notice The last forecast, however old.
    function last() external view returns (Forecast memory) {
        return _last;
    }
}

"""Names of metrics as libraries write them, with the direction that each library gives them.

app/control_plane/registry/known_metrics.py says where each library states it. The names of
scikit-learn's scorers are read from the installed scikit-learn instead.
"""

UP = {
    "scikit-learn": """
        test_accuracy train_f1_macro mean_test_roc_auc_ovr split0_test_neg_log_loss
        test_neg_root_mean_squared_error mean_train_neg_mean_absolute_error
        accuracy_score balanced_accuracy_score cohen_kappa_score f1_score fbeta_score jaccard_score
        average_precision_score roc_auc_score matthews_corrcoef precision_score recall_score
        ndcg_score dcg_score label_ranking_average_precision_score r2_score d2_tweedie_score
        d2_pinball_score explained_variance_score silhouette_score calinski_harabasz_score
        consensus_score top_k_accuracy_score training_f1_score training_roc_auc
    """,
    "XGBoost": """
        auc aucpr pre pre@5 map map@10 map@10- ndcg ndcg@5- interval-regression-accuracy
        validation_0-auc train-ndcg@10 test-auc-mean eval-aucpr
    """,
    "LightGBM": """
        auc average_precision auc_mu ndcg@5 map@3 valid_0-auc valid_1-ndcg@10 training-auc
        valid_0-average_precision valid_auc-mean
    """,
    "CatBoost": """
        Recall Precision F1 TotalF1 Accuracy BalancedAccuracy Kappa WKappa R2 AUC AUC:type=Mu MCC
        LogLikelihoodOfPrediction QueryAUC PairAccuracy PFound NDCG:top=10;type=Base DCG MAP:top=5
        FilteredDCG NormalizedGini PrecisionAt:top=3 RecallAt:top=3 MRR PRAUC validation_0-Accuracy
        TotalF1:average=Weighted
    """,
    "Keras": """
        accuracy val_accuracy acc val_acc binary_accuracy categorical_accuracy
        sparse_categorical_accuracy top_k_categorical_accuracy sparse_top_k_categorical_accuracy
        auc auc_1 val_auc_2 precision_1 recall val_recall_3 f1_score fbeta_score r2_score
        cosine_similarity binary_io_u io_u mean_io_u one_hot_io_u one_hot_mean_io_u
        true_positives true_negatives precision_at_recall sensitivity_at_specificity
        specificity_at_sensitivity recall_at_precision pearson_correlation
        concordance_correlation
    """,
    "PyTorch Lightning and TorchMetrics": """
        val_acc train_acc_step train_acc_epoch val_acc/dataloader_idx_0 BinaryAccuracy
        MulticlassF1Score MultilabelAUROC BinaryAveragePrecision MulticlassCohenKappa
        MulticlassJaccardIndex BinaryMatthewsCorrCoef MulticlassExactMatch MeanAveragePrecision
        RetrievalMRR RetrievalMAP RetrievalNormalizedDCG RetrievalHitRate RetrievalRPrecision
        RetrievalPrecision ConcordanceCorrCoef PearsonCorrCoef SpearmanCorrCoef R2Score
        ExplainedVariance CosineSimilarity BLEUScore CHRFScore ROUGEScore SacreBLEUScore BERTScore
        StructuralSimilarityIndexMeasure PeakSignalNoiseRatio ScaleInvariantSignalDistortionRatio
        PerceptualEvaluationSpeechQuality ShortTimeObjectiveIntelligibility InceptionScore
        CalinskiHarabaszScore AdjustedRandScore VMeasureScore MeanIoU GeneralizedDiceScore
        PanopticQuality IntersectionOverUnion DunnIndex WordInfoPreserved map_50 map_75 map_small
        mar_100 val/MulticlassAccuracy
    """,
    "Hugging Face": """
        eval_accuracy eval_f1 eval_matthews_correlation eval_pearsonr eval_spearmanr eval_bleu
        eval_sacrebleu google_bleu eval_rouge1 eval_rouge2 eval_rougeL eval_rougeLsum
        rouge1_fmeasure eval_meteor eval_exact_match eval_samples_per_second eval_steps_per_second
        train_samples_per_second eval_bertscore_f1 bleurt chrf comet mauve sari nist_mt
        overall_precision overall_f1 overall_accuracy mean_iou mean_accuracy r_squared roc_auc
        HasAns_exact NoAns_f1 best_f1 pass@1 recip_rank Rprec
    """,
    "lm-evaluation-harness": """
        acc acc,none acc_norm acc_norm,none acc_bytes,none acc_mutual_info,none exact_match
        exact_match,strict-match exact_match,flexible-extract exact_match,custom-extract
        exact_match,get-answer em,none f1,none mcc,none bleu,none chrf,none rouge1,none
        bleu_acc,none bleu_max,none rougeL_diff,none likelihood,none
        prompt_level_strict_acc,none inst_level_loose_acc,none pass@1,none acc_none
    """,
}
DOWN = {
    "scikit-learn": """
        log_loss test_log_loss brier_score_loss hamming_loss hinge_loss zero_one_loss max_error
        mean_absolute_error mean_squared_error mean_squared_log_error median_absolute_error
        mean_absolute_percentage_error mean_pinball_loss mean_poisson_deviance mean_gamma_deviance
        mean_tweedie_deviance root_mean_squared_error root_mean_squared_log_error coverage_error
        label_ranking_loss davies_bouldin_score fit_time score_time mean_fit_time mean_score_time
        training_log_loss training_mean_squared_error negative_likelihood_ratio
    """,
    "XGBoost": """
        rmse rmsle mae mape mphe logloss error error@0.7 merror mlogloss poisson-nloglik
        gamma-nloglik cox-nloglik gamma-deviance tweedie-nloglik@1.5 aft-nloglik expectile
        train-logloss validation_0-rmse test-rmse-mean eval-merror validation_1-mlogloss
    """,
    "LightGBM": """
        l1 l2 rmse mape huber poisson gamma_deviance tweedie binary_logloss binary_error
        multi_logloss multi_error cross_entropy cross_entropy_lambda kullback_leibler
        valid_0-binary_logloss valid_1-l2 training-rmse valid_binary_logloss-mean
    """,
    "CatBoost": """
        Logloss CrossEntropy RMSE MAE LogLinQuantile MultiRMSE MultiClassOneVsAll MultiLogloss
        MultiCrossEntropy MAPE Poisson PairLogit PairLogitPairwise QueryRMSE QuerySoftMax
        GroupQuantile Tweedie:variance_power=1.5 SMAPE BalancedErrorRate NumErrors:greater_than=2
        BrierScore HingeLoss HammingLoss ZeroOneLoss MSLE MedianAbsoluteError Huber:delta=1
        Expectile:alpha=0.3 FairLoss:smoothness=1 learn-Logloss validation_0-RMSE test-Logloss-mean
    """,
    "Keras": """
        loss val_loss mean_absolute_error mean_absolute_percentage_error mean_squared_error
        mean_squared_logarithmic_error root_mean_squared_error log_cosh log_cosh_error logcosh
        hinge squared_hinge categorical_hinge kl_divergence binary_crossentropy
        val_categorical_crossentropy sparse_categorical_crossentropy poisson false_positives
        false_negatives binary_focal_crossentropy mae mse mape msle
    """,
    "PyTorch Lightning and TorchMetrics": """
        train_loss train_loss_step train_loss_epoch val_loss/dataloader_idx_0 loss_epoch test/loss
        BinaryCalibrationError MulticlassHammingDistance BinaryHingeLoss CharErrorRate WordErrorRate
        MatchErrorRate WordInfoLost MeanAbsoluteError MeanSquaredError MeanSquaredLogError
        MeanAbsolutePercentageError SymmetricMeanAbsolutePercentageError RelativeSquaredError
        NormalizedRootMeanSquaredError LogCoshError MinkowskiDistance KLDivergence
        JensenShannonDivergence ContinuousRankedProbabilityScore EditDistance ExtendedEditDistance
        TranslationEditRate Perplexity FrechetInceptionDistance KernelInceptionDistance
        LearnedPerceptualImagePatchSimilarity HausdorffDistance TotalVariation
        SpectralAngleMapper MultilabelRankingLoss MultilabelCoverageError RetrievalFallOut
        DaviesBouldinScore ProcrustesDisparity PerceptualPathLength
    """,
    "Hugging Face": """
        eval_loss train_loss eval_runtime train_runtime eval_wer eval_cer cer_score ter mae mse mape
        mase smape brier_score mean_perplexity eval_perplexity charcut_mt
        eval_model_preparation_time
    """,
    "lm-evaluation-harness": """
        perplexity perplexity,none word_perplexity word_perplexity,none byte_perplexity
        byte_perplexity,none bits_per_byte bits_per_byte,none bits_per_byte_none ter,none
        brier_score,none likelihood_diff,none
    """,
    "likelihoods": """
        nll val_nll negative_log_likelihood neg_log_likelihood neg_loglik test_neg_elbo neg_elbo
        negative_elbo neg_likelihood nloglik neg_log_prob mean_neg_log_likelihood
        val_negativeLogLikelihood
    """,
}
